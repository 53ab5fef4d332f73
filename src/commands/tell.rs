//! `whydunit tell`: do those who are to be told of investigations hear it?

use crate::app::telling;

/// Shows who is told of investigations, and whether they are there.
///
/// With --test each of them gets one notification that says it is a test, and what each answered is shown.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    settings: super::SettingsFrom,
    /// Send a test notification to every channel: Alertmanager gets an alert WhydunitTest that ends after a minute.
    #[arg(long)]
    test: bool,
}

/// # Errors
/// Settings that cannot work, nobody to tell, or a channel that does not hear.
pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let settings = arguments.settings.load()?;
    settings.validate()?;
    let reports = telling::ask(&settings, arguments.test)?;
    anyhow::ensure!(
        !reports.is_empty(),
        "nobody is told: set tell.alertmanager.url, tell.webhook.url or tell.kafka.topic; `whydunit check --defaults` shows how"
    );
    reports.iter().for_each(|report| println!("{report}"));
    let failed = reports.iter().filter(|report| report.found.is_err()).count();
    anyhow::ensure!(failed == 0, "{failed} of {} channels cannot be told", reports.len());
    Ok(())
}
