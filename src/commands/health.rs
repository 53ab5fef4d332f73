//! `whydunit health`: whether a running whydunit is well, for a container's health check or a person.

use std::io::Write as _;

use anyhow::bail;
use serde_json::Value;

use crate::app::ask;

/// Asks a running whydunit whether it can store and serve what it reads.
///
/// Prints `ready`, or `degraded` with what is broken while the rest goes on; exits with 1 when it is not ready, or nobody answers. Asks
/// at ops.listen of the settings, or at --url.
///
///     whydunit health
///     whydunit health --url http://10.0.0.7:9464
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    settings: super::SettingsFrom,
    /// Where its probes listen, instead of ops.listen.
    #[arg(long, value_name = "http://HOST:PORT")]
    url: Option<String>,
}

/// # Errors
/// Settings that cannot be read; nobody who listens; not ready, with the reasons.
pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let base = match &arguments.url {
        Some(url) => url.trim_end_matches('/').to_owned(),
        None => format!("http://{}", ask::reachable(arguments.settings.load()?.ops.listen)),
    };
    let hint = format!(
        "no whydunit answers at {base}: start it with `whydunit run`, or say where its probes listen with --url http://HOST:PORT or --config FILE"
    );
    let said = ask::get(&format!("{base}/readyz"), &hint)?;
    let reasons: Vec<&str> = said["reasons"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    match said["status"].as_str() {
        Some("ready") => writeln!(std::io::stdout().lock(), "ready")?,
        Some("degraded") => writeln!(std::io::stdout().lock(), "degraded: {}", reasons.join("; "))?,
        Some("not_ready") => bail!("not ready: {}", reasons.join("; ")),
        _ => bail!("{base} answered, but not as whydunit does. {hint}"),
    }
    Ok(())
}
