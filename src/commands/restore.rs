//! `whydunit restore`: a backup in the database's place.

use std::path::PathBuf;

use super::progress;
use crate::app::copies;

/// Puts a backup in the place of the database; whydunit must not run.
///
/// The backup is looked through for damage first. The database that was there is kept beside it, under a name with
/// `before-restore`. The next `whydunit run` goes on from the backup's position: what came after it is read again from Kafka as far as
/// the topics' retention reaches, and what is missing is booked as missed.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    settings: super::SettingsFrom,
    /// The backup.
    #[arg(value_name = "FILE")]
    from: PathBuf,
}

/// # Errors
/// A running whydunit, a backup that is damaged, foreign or newer, or whose books do not close.
pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let settings = arguments.settings.load()?;
    let bar = progress::bar(0);
    let (kept, verdict) = copies::restore(&settings.store, &arguments.from, &mut |done, total| {
        bar.set_length(total);
        bar.set_position(done);
    })?;
    bar.finish_and_clear();
    if let Some(kept) = kept {
        println!("what was there is kept as {}", kept.display());
    }
    println!("restored; `whydunit run` goes on from checkpoint {}", verdict.epoch);
    super::verify::conclude(&verdict, "the backup is in place, but")
}
