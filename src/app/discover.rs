//! What the topics of a Kafka seem to hold, and settings to read them.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use anyhow::bail;

use crate::clock;
use crate::engine::decode::discover::discover;
pub use crate::engine::decode::discover::{Finding, Skew};
use crate::engine::decode::guess::Sample;
use crate::kafka::look::Onlooker;
use crate::kafka::{self, SourceOptions};
use crate::model::Source;
use crate::model::source_record::FetchedRecord;
use crate::settings::Settings;

/// Looks at the newest records of every topic that may be seen, or of the topics that begin so. Joins no group and commits nothing.
/// `told` hears of each topic when it is done, and how many there are.
///
/// # Errors
/// Brokers that cannot be reached or do not let us in, with what to do. A topic that may not be read only says so in its finding.
pub fn survey(settings: &Settings, only: &[String], records: usize, mut told: impl FnMut(u64)) -> anyhow::Result<Vec<Finding>> {
    let onlooker = match Onlooker::connect(&settings.kafka, None) {
        Ok(onlooker) => onlooker,
        Err(error) => bail!("{}", reason(settings).unwrap_or_else(|| error.to_string())),
    };
    let wanted = |name: &str| only.is_empty() || only.iter().any(|topic| topic == name);
    let topics: Vec<_> = onlooker.topics().filter(|(name, _)| wanted(name)).collect();
    if let Some(missing) = only.iter().find(|topic| !topics.iter().any(|(name, _)| name == *topic)) {
        bail!("topic `{missing}` is not there, or may not be seen");
    }
    told(topics.len() as u64);
    let mut findings = Vec::new();
    for (name, partitions) in topics {
        findings.push(match onlooker.newest(name, *partitions, records) {
            Ok(records) => judge(settings, name, *partitions, &records),
            Err(error) => Finding { topic: name.clone(), reason: Some(error.to_string()), ..Finding::default() },
        });
        told(1);
    }
    Ok(findings)
}

fn judge(settings: &Settings, topic: &str, partitions: i32, records: &[FetchedRecord]) -> Finding {
    let samples: Vec<Sample<'_>> = records
        .iter()
        .map(|record| Sample {
            value: record.value.as_deref(),
            headers: record.headers.iter().map(|(name, value)| (name.as_str(), value.as_deref())).collect(),
            kafka_time: record.timestamp,
        })
        .collect();
    discover(&settings.decode, topic, u32::try_from(partitions).unwrap_or(0), &samples, clock::now())
}

/// Why no broker lets us in, as `check` explains it.
fn reason(settings: &Settings) -> Option<String> {
    let config = kafka::ConsumerConfig {
        connector: "discover".into(),
        source: SourceOptions::new(Source::Logs, &["^."]),
        options: settings.kafka.clone(),
        instance: "discover".to_owned(),
        group: "whydunit-look".to_owned(),
    };
    kafka::check(&config).problems.first().map(|problem| problem.message.clone())
}

/// Settings that read what was found: a connector a source. What is empty or cannot be read stands there as a comment.
pub fn settings_text(settings: &Settings, findings: &[Finding]) -> String {
    let mut text = String::from("# Written by `whydunit discover`; every setting is documented by `whydunit check --defaults`.\n\n");
    let _ = writeln!(text, "[kafka]\nbrokers = {}", quoted(&settings.kafka.brokers));
    properties(settings, &mut text);
    if !settings.formats.is_empty()
        && let Ok(formats) = toml::to_string(&BTreeMap::from([("formats", &settings.formats)]))
    {
        let _ = writeln!(text, "\n{formats}");
    }
    for source in Source::ALL {
        let topics: Vec<&Finding> = findings.iter().filter(|finding| finding.is_readable() && finding.source == Some(source)).collect();
        if topics.is_empty() {
            continue;
        }
        let _ = writeln!(text, "\n[connectors.{0}]\nsource = \"{0}\"\ntopics = [", source.as_str());
        for finding in topics {
            let _ = writeln!(text, "  {},  # {}", quoted(&finding.topic), one_line(&seen(finding)));
        }
        text.push_str("]\n");
    }
    let left: Vec<&Finding> = findings.iter().filter(|finding| !finding.is_readable()).collect();
    if !left.is_empty() {
        text.push_str(
            "\n# Not read, for want of records that can be. Put a topic into a connector of its source above once it has some.\n",
        );
        for finding in left {
            let _ = writeln!(text, "#   {}: {}", quoted(&finding.topic), one_line(&seen(finding)));
        }
    }
    text
}

fn properties(settings: &Settings, text: &mut String) {
    let mut secrets = Vec::new();
    let mut shown = String::new();
    for (name, value) in settings.kafka.properties.iter() {
        if kafka::options::is_secret(name) {
            secrets.push(name.replace('.', "_").to_uppercase());
        } else {
            let _ = writeln!(shown, "{} = {}", quoted(name), quoted(value));
        }
    }
    if shown.is_empty() && secrets.is_empty() {
        return;
    }
    text.push_str("\n[kafka.properties]\n");
    text.push_str(&shown);
    for secret in secrets {
        let _ = writeln!(text, "# Secrets are not written here; give it as WHYDUNIT__KAFKA__PROPERTIES__{secret}");
    }
}

/// What was seen of a topic, in a few words.
pub fn seen(finding: &Finding) -> String {
    let Finding { records, decoded, formats, reason, .. } = finding;
    let why = reason.as_deref().unwrap_or("nothing in them");
    match (finding.source, *records) {
        (_, 0) => reason.clone().unwrap_or_else(|| "empty".to_owned()),
        (None, _) => format!("none of {records} records can be read: {why}"),
        (Some(source), _) => {
            let formats: Vec<&str> = formats.iter().map(|(name, _)| name.as_str()).collect();
            let mut seen = format!("{} ({})", source.as_str(), formats.join(", "));
            if decoded < records {
                let _ = write!(seen, "; {} of {records} records cannot be read: {why}", records - decoded);
            }
            if finding.is_mixed() {
                let others = finding.others.iter().map(|(source, records)| format!("{records} look like {}", source.as_str()));
                let _ = write!(seen, "; mixed: of {records} records {}", others.collect::<Vec<_>>().join(", "));
            }
            seen
        }
    }
}

fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

fn one_line(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).take(300).collect()
}
