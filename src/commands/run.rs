//! `whydunit run`: the service.

use std::pin::pin;

use crate::app::{room, service, signals};
use crate::telemetry::tracing_setup;

#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    settings: super::SettingsFrom,
    /// Begin anew with baselines, open traces and counts of open buckets, where another version wrote them and they cannot be read.
    ///
    /// Positions, events, counts of closed buckets, dead letters and investigations stay. Nothing opens until services have been
    /// seen for `detect.learning_s` again. What was counted in buckets still open is booked as removed.
    #[arg(long)]
    forget_state: bool,
}

/// # Errors
/// Settings, database or ports that cannot be used; or the reason the pipeline gave up.
pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let settings = arguments.settings.load()?;
    settings.validate()?;
    let _tracing = tracing_setup::install(&settings.telemetry);
    actix::System::new().block_on(async {
        let mut stop = pin!(signals::signalled());
        let Some(writer) = room::waited_for(&settings, stop.as_mut()).await? else { return Ok(()) };
        let service = service::start_on(writer, &settings, arguments.forget_state)?;
        eprintln!(
            "whydunit {}: page at http://{}, metrics at http://{}/metrics",
            env!("CARGO_PKG_VERSION"),
            service.address,
            service.ops_address
        );
        service.run_until(stop).await
    })
}
