//! `whydunit export`: what a run determined, byte for byte comparable.

use crate::app::service;
use crate::model::ports::StoreReader as _;

#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    settings: super::SettingsFrom,
}

/// # Errors
/// A database that cannot be read, or standard output that cannot be written.
pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let settings = arguments.settings.load()?;
    let mut out = std::io::stdout().lock();
    service::open_reader(&settings)?.export(&mut out)?;
    Ok(())
}
