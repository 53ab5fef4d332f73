//! `whydunit note`: a manual event from the command line.

use std::io::Write as _;

use anyhow::Context as _;
use serde_json::{Map, Value, json};

use crate::app::ask;
use crate::clock;
use crate::kafka::Start;
use crate::model::{Severity, Timestamp};

/// Puts a manual event on the timeline of a running whydunit, at once.
///
/// Asks the API at web.listen of the settings, or at --url, and prints the event's id and its address.
///
///     whydunit note "rolled back payments" --service payments
///     whydunit note "doubled the pool" --type config_change --at -5m --tag pool
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    settings: super::SettingsFrom,
    /// What happened, in one line of at most 300 characters.
    text: String,
    /// When: an RFC 3339 time, or how long ago (-5m; s, m, h, d). Now when absent.
    #[arg(long, value_name = "TIME", allow_hyphen_values = true, value_parser = parse_time)]
    at: Option<Timestamp>,
    /// The service it is about.
    #[arg(long)]
    service: Option<String>,
    /// The environment it is about.
    #[arg(long)]
    environment: Option<String>,
    /// critical, high, medium, low or info.
    #[arg(long, value_parser = parse_severity)]
    severity: Option<Severity>,
    /// note when absent; deployment, rollback, config_change, feature_flag … count as changes.
    #[arg(long = "type", value_name = "TYPE")]
    event_type: Option<String>,
    /// May be given again.
    #[arg(long = "tag", value_name = "TAG")]
    tags: Vec<String>,
    /// Where whydunit listens, instead of web.listen.
    #[arg(long, value_name = "http://HOST:PORT")]
    url: Option<String>,
    /// Its token, instead of web.token (WHYDUNIT__WEB__TOKEN).
    #[arg(long)]
    token: Option<String>,
}

fn parse_time(text: &str) -> Result<Timestamp, String> {
    let reason = format!("`{text}` is neither a time such as 2026-11-23T14:00:00Z nor an age such as -5m");
    text.parse::<Start>().ok().and_then(|start| start.instant(clock::now())).ok_or(reason)
}

fn parse_severity(text: &str) -> Result<Severity, String> {
    Severity::parse(text).ok_or_else(|| "there are critical, high, medium, low, info".to_owned())
}

/// # Errors
/// Settings that cannot be read; nobody who listens; a refusal, with its reason.
pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let settings = arguments.settings.load()?;
    let base = match &arguments.url {
        Some(url) => url.trim_end_matches('/').to_owned(),
        None => format!("http://{}", ask::reachable(settings.web.listen)),
    };
    let token = arguments.token.as_deref().or(settings.web.token.as_deref());
    let hint = format!(
        "no whydunit answers at {base}: start it with `whydunit run`, or say where it listens with --url http://HOST:PORT or --config FILE"
    );
    let event = ask::post(&format!("{base}/api/v1/events"), token, &body(arguments), &hint)?;
    let id = event["id"].as_str().with_context(|| format!("{base} answered without an id; is it a whydunit?"))?;
    writeln!(std::io::stdout().lock(), "{id}\n{base}/api/v1/events/{id}")?;
    Ok(())
}

fn body(arguments: &Arguments) -> Value {
    let mut body = Map::new();
    body.insert("title".to_owned(), arguments.text.as_str().into());
    let texts = [("service", &arguments.service), ("environment", &arguments.environment), ("event_type", &arguments.event_type)];
    for (key, text) in texts {
        body.extend(text.as_deref().map(|text| (key.to_owned(), text.into())));
    }
    body.extend(arguments.at.map(|at| ("timestamp".to_owned(), json!(at))));
    body.extend(arguments.severity.map(|severity| ("severity".to_owned(), json!(severity))));
    if !arguments.tags.is_empty() {
        body.insert("tags".to_owned(), json!(arguments.tags));
    }
    Value::Object(body)
}
