//! `whydunit run`: the service.

use crate::app::{service, signals};
use crate::telemetry::tracing_setup;

#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    settings: super::SettingsFrom,
}

/// # Errors
/// Settings, database or ports that cannot be used; or the reason the pipeline gave up.
pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let settings = arguments.settings.load()?;
    settings.validate()?;
    let _tracing = tracing_setup::install(&settings.telemetry);
    actix::System::new().block_on(async {
        let service = service::start(&settings)?;
        eprintln!(
            "whydunit {}: page at http://{}, metrics at http://{}/metrics",
            env!("CARGO_PKG_VERSION"),
            service.address,
            service.ops_address
        );
        service.run_until(signals::signalled()).await
    })
}
