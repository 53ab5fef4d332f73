//! `whydunit check`: are the settings right, and do the brokers agree?

use crate::kafka;
use crate::settings::DEFAULTS;

/// Validates the settings and prints the effective ones with secrets masked.
///
/// With --connect it logs in to every connector's brokers and says what it finds: TLS and SASL result, topics matched,
/// missing permissions with the command that grants each, partitions, oldest and newest record, compression, free disk; and
/// whether those who are told of investigations are there.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    settings: super::SettingsFrom,
    /// Print every setting with its default, meaning and unit, and stop: the start of a settings file.
    #[arg(long)]
    defaults: bool,
    /// Print every error of the Kafka client: its class, and whether a connector tries again or stops; then stop.
    ///
    /// The table is complete: every error the client's library can report stands in it, by class, with its fate as these settings
    /// have it. A passing error is repaired by the client and not told. A transient one is told and tried again until it is over,
    /// with nothing lost; it counts as a failure for the connector's circuit breaker, which opens after five in a row or when half
    /// of a minute's calls failed, for 10 s doubling to 5 min. A permanent one opens the breaker until a person resets it. To
    /// change the fate of one, put its name into kafka.permanent_errors or kafka.transient_errors.
    #[arg(long)]
    errors: bool,
    /// Try every connector against its brokers, and every channel of [tell].
    #[arg(long)]
    connect: bool,
}

/// # Errors
/// Settings that cannot work, or a connector that cannot read.
pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    if arguments.defaults {
        print!("{DEFAULTS}");
        return Ok(());
    }
    let settings = arguments.settings.load()?;
    settings.validate()?;
    if arguments.errors {
        print!("{}", kafka::error_table::report(&settings.kafka));
        return Ok(());
    }
    print!("{}", settings.effective());
    if arguments.connect {
        let checks = crate::app::sources::check(&settings);
        checks.iter().for_each(|check| println!("\n{check}"));
        let failed = checks.iter().filter(|check| !check.is_ok()).count();
        let channels = crate::app::telling::ask(&settings, false)?;
        channels.iter().for_each(|report| println!("\n{report}"));
        let unheard = channels.iter().filter(|report| report.found.is_err()).count();
        println!("\n{}", crate::app::disk::report(&settings));
        anyhow::ensure!(failed == 0, "{failed} of {} connectors cannot read", settings.connectors.len());
        anyhow::ensure!(unheard == 0, "{unheard} of {} channels cannot be told", channels.len());
    }
    Ok(())
}
