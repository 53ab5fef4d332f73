//! Settings: `default.toml`, then a file, then the environment → one validated value.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use figment::Figment;
use figment::error::Kind;
use figment::providers::{Env, Format, Toml};
use serde::{Deserialize, Serialize};

use crate::engine::correlate::CorrelateOptions;
use crate::engine::decode::DecodeOptions;
use crate::engine::decode::described::{self, FormatOptions};
use crate::engine::detect::DetectOptions;
use crate::engine::entities::EntityOptions;
use crate::engine::redact::{RedactOptions, Redactor};
use crate::engine::resilience::retention::RetentionOptions;
use crate::kafka::{self, SourceOptions};
use crate::model::received::is_connector;
use crate::telemetry::tracing_setup as telemetry;
use crate::web::{Auto, Enabled};
use crate::{store, web};

/// Every setting with its default, meaning and unit.
pub const DEFAULTS: &str = include_str!("../config/default.toml");
/// `WHYDUNIT__KAFKA__BROKERS` sets `kafka.brokers`.
pub const ENVIRONMENT_PREFIX: &str = "WHYDUNIT__";

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    pub kafka: kafka::Options,
    /// By name.
    #[serde(default)]
    pub connectors: BTreeMap<String, SourceOptions>,
    pub decode: DecodeOptions,
    pub entities: EntityOptions,
    /// Formats described by their users, by name.
    #[serde(default)]
    pub formats: BTreeMap<String, FormatOptions>,
    #[serde(default)]
    pub redact: RedactOptions,
    pub detect: DetectOptions,
    pub correlate: CorrelateOptions,
    pub pipeline: PipelineOptions,
    pub dead_letters: DeadLetterOptions,
    pub retention: RetentionOptions,
    pub store: store::Options,
    pub web: web::Options,
    pub ops: web::OpsOptions,
    pub ingest: web::IngestOptions,
    pub telemetry: telemetry::Options,
}

/// How the stages run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PipelineOptions {
    /// Detection shards, each on a thread of its own. A database keeps the number it began with.
    pub shards: usize,
    /// Longest time between two checkpoints while something is read, seconds.
    pub checkpoint_interval_s: u32,
    /// At a first start, history older than this teaches baselines and opens nothing, seconds; 0 lets all history open.
    pub history_teaches_s: u32,
    /// Longest time an end waits until what is under way is stored, seconds; what is not is read again at the next start.
    pub drain_s: u32,
}

impl Default for PipelineOptions {
    fn default() -> Self {
        Self { shards: 1, checkpoint_interval_s: 5, history_teaches_s: 900, drain_s: 6 }
    }
}

/// How records that could not be read are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DeadLetterOptions {
    /// Letters decoded again each second, at most.
    pub replays_per_second: u32,
    /// MiB of letters that may wait of each connector; at that it pauses.
    pub max_mib_per_connector: u32,
    /// False keeps of a record only where it stands, its size, a digest and the reason; replays ask the broker for it.
    pub store_payloads: bool,
}

impl Default for DeadLetterOptions {
    fn default() -> Self {
        Self { replays_per_second: 500, max_mib_per_connector: 1_024, store_payloads: true }
    }
}

impl DeadLetterOptions {
    fn problems(&self) -> Vec<(String, String)> {
        let bounds =
            [("replays_per_second", self.replays_per_second, 100_000), ("max_mib_per_connector", self.max_mib_per_connector, 1_000_000)];
        let outside = bounds.into_iter().filter(|(_, value, most)| !(1..=*most).contains(value));
        outside.map(|(key, value, most)| (format!("dead_letters.{key}"), format!("{value} is outside 1 to {most}"))).collect()
    }

    /// The cap of each connector's letters, bytes.
    pub const fn max_bytes_per_connector(self) -> u64 {
        match self.store_payloads {
            true => self.max_mib_per_connector as u64 * 1_024 * 1_024,
            // Nothing is kept that could fill the disk.
            false => u64::MAX,
        }
    }
}

/// Why settings cannot be used: every problem found, each with its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingsError {
    pub problems: Vec<(String, String)>,
}

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "settings cannot be used:")?;
        for (key, reason) in &self.problems {
            writeln!(f, "  {key}: {reason}")?;
        }
        write!(f, "Every setting is documented by `whydunit check --defaults`.")
    }
}

impl std::error::Error for SettingsError {}

impl Settings {
    /// Reads the layers. A file that is named must exist.
    ///
    /// # Errors
    /// Unknown keys and values of the wrong kind, each with its key and where it stands.
    pub fn load(file: Option<&Path>) -> Result<Self, SettingsError> {
        let mut figment = Figment::from(Toml::string(DEFAULTS));
        if let Some(file) = file {
            if !file.is_file() {
                let reason =
                    format!("no file {}; `whydunit check --defaults > {}` writes one to start from", file.display(), file.display());
                return Err(SettingsError { problems: vec![("--config".to_owned(), reason)] });
            }
            figment = figment.merge(Toml::file_exact(file));
        }
        let half_prefixed = half_prefixed(std::env::vars_os().filter_map(|(name, _)| name.into_string().ok()));
        if !half_prefixed.is_empty() {
            return Err(SettingsError { problems: half_prefixed });
        }
        figment = figment.merge(Env::prefixed(ENVIRONMENT_PREFIX).split("__"));
        let mut settings: Self =
            figment.extract().map_err(|errors| SettingsError { problems: errors.into_iter().map(problem).collect() })?;
        // What is wrong with a description is told with all else by `validate`.
        settings.decode.described = described::compile(&settings.formats).unwrap_or_default();
        settings.decode.redactor = Arc::new(Redactor::new(&settings.redact));
        settings.store.secure_delete = !settings.dead_letters.store_payloads;
        Ok(settings)
    }

    /// Everything that cannot work, with its key.
    ///
    /// # Errors
    /// All problems at once.
    pub fn validate(&self) -> Result<(), SettingsError> {
        let mut problems = Vec::new();
        let prefixed = |part: &str, found: Vec<kafka::Problem>| {
            found.into_iter().map(|problem| (format!("{part}.{}", problem.key), problem.reason)).collect::<Vec<_>>()
        };
        problems.extend(prefixed("kafka", self.kafka.validate()));
        problems.extend(self.format_problems());
        for (name, connector) in &self.connectors {
            problems.extend(prefixed(&format!("connectors.{name}"), connector.validate()));
            if let Err(reason) = self.decode_of(connector).validate() {
                problems.push((format!("connectors.{name}.format"), reason));
            }
            let plain = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
            let is_taken = ["inbox", "replay"].contains(&name.as_str()) || is_connector(name);
            if name.is_empty() || name.len() > 50 || !name.chars().all(plain) || is_taken {
                let reason =
                    "a connector's name has 1 to 50 letters, digits, - or _, and is none of `inbox`, `replay`, `http-logs` and the like";
                problems.push((format!("connectors.{name}"), reason.to_owned()));
            }
        }
        problems.extend(self.entities.problems().into_iter().map(|(key, reason)| (format!("entities.{key}"), reason)));
        problems.extend(self.redact.problems().into_iter().map(|(key, reason)| (format!("redact.{key}"), reason)));
        problems.extend(self.web.validate().err().map(|error| (error.key.to_owned(), error.reason)));
        problems.extend(self.ops.validate().err().map(|error| (error.key.to_owned(), error.reason)));
        problems.extend(self.ingest.validate().err().map(|error| (error.key.to_owned(), error.reason)));
        problems.extend(self.telemetry.validate());
        problems.extend(self.pipeline.problems());
        problems.extend(self.dead_letters.problems());
        problems.extend(self.retention.problems().into_iter().map(|(key, reason)| (format!("retention.{key}"), reason)));
        problems.extend(self.store_problems());
        problems.extend(self.correlate_problems());
        problems.extend(self.detect_problems());
        if problems.is_empty() { Ok(()) } else { Err(SettingsError { problems }) }
    }

    /// Whether records are taken over HTTP; `None` where that depends on whether some came before.
    pub fn takes_http(&self) -> Option<bool> {
        match self.ingest.enabled {
            Enabled::Fixed(on) => Some(on),
            Enabled::Unless(Auto::Auto) if self.connectors.is_empty() => Some(true),
            Enabled::Unless(Auto::Auto) => None,
        }
    }

    /// Decode options of one connector: its own format where it names one.
    pub fn decode_of(&self, connector: &SourceOptions) -> DecodeOptions {
        let format = if connector.format == "auto" { &self.decode.format } else { &connector.format };
        DecodeOptions { format: format.clone(), entities: Arc::new(self.entities.clone()), ..self.decode.clone() }
    }

    /// Descriptions that cannot work, and connectors that name one of another source.
    fn format_problems(&self) -> Vec<(String, String)> {
        let found = described::compile(&self.formats).err().unwrap_or_default();
        let keyed = |key: String| if key.is_empty() { "formats".to_owned() } else { format!("formats.{key}") };
        let mut problems: Vec<_> = found.into_iter().map(|(key, reason)| (keyed(key), reason)).collect();
        for (name, connector) in &self.connectors {
            let Some(format) = self.formats.get(&connector.format).filter(|format| format.source != connector.source) else { continue };
            let reason = format!("`{}` is of {}, not of {}", connector.format, format.source.as_str(), connector.source.as_str());
            problems.push((format!("connectors.{name}.format"), reason));
        }
        problems
    }

    fn store_problems(&self) -> Vec<(String, String)> {
        let store = &self.store;
        let mut problems = Vec::new();
        if store.path().is_some_and(|path| path.as_os_str().is_empty()) {
            problems.push(("store.path".to_owned(), "is empty; name a file, such as whydunit.db".to_owned()));
        }
        let ranges = [
            ("readers", store.readers, 1..=256),
            ("busy_timeout_ms", store.busy_timeout_ms, 1..=600_000),
            ("cache_kib", store.cache_kib, 64..=16_777_216),
            ("wal_limit_mib", store.wal_limit_mib, 1..=1_048_576),
        ];
        for (key, value, allowed) in ranges {
            if !allowed.contains(&value) {
                problems.push((format!("store.{key}"), format!("{value} is outside {} to {}", allowed.start(), allowed.end())));
            }
        }
        problems
    }

    fn correlate_problems(&self) -> Vec<(String, String)> {
        let mut problems = Vec::new();
        let CorrelateOptions { strong, weak, persist, .. } = self.correlate;
        if !(weak > 0.0 && weak <= strong && strong <= 300.0) {
            let reason = format!("weak ({weak}) must be above 0 and not above strong ({strong}), which is at most 300");
            problems.push(("correlate.weak".to_owned(), reason));
        }
        if persist == 0 {
            problems.push(("correlate.persist".to_owned(), "must be at least 1".to_owned()));
        }
        problems
    }

    fn detect_problems(&self) -> Vec<(String, String)> {
        let detect = &self.detect;
        let ranges =
            [("max_entities", detect.max_entities, 100..=1_000_000), ("max_trace_items", detect.max_trace_items, 10_000..=100_000_000)];
        let outside = ranges.into_iter().filter(|(_, value, allowed)| !allowed.contains(value));
        outside
            .map(|(key, value, allowed)| (format!("detect.{key}"), format!("{value} is outside {} to {}", allowed.start(), allowed.end())))
            .collect()
    }

    /// As TOML, with secrets masked.
    pub fn effective(&self) -> String {
        toml::to_string_pretty(self).unwrap_or_else(|error| format!("# not shown: {error}"))
    }
}

impl PipelineOptions {
    fn problems(&self) -> Vec<(String, String)> {
        let mut problems = Vec::new();
        if !(1..=64).contains(&self.shards) {
            problems.push(("pipeline.shards".to_owned(), format!("{} is outside 1 to 64", self.shards)));
        }
        if !(1..=300).contains(&self.checkpoint_interval_s) {
            let reason = format!("{} is outside 1 to 300", self.checkpoint_interval_s);
            problems.push(("pipeline.checkpoint_interval_s".to_owned(), reason));
        }
        if !(1..=3_600).contains(&self.drain_s) {
            problems.push(("pipeline.drain_s".to_owned(), format!("{} is outside 1 to 3600", self.drain_s)));
        }
        problems
    }
}

/// Variables meant for us that would be passed over: the prefix ends with two underscores. A name without two anywhere is left
/// alone; orchestrators make such (`WHYDUNIT_PORT`).
fn half_prefixed(names: impl Iterator<Item = String>) -> Vec<(String, String)> {
    let meant = |name: &String| {
        let rest = name.strip_prefix("WHYDUNIT_").filter(|rest| !rest.starts_with('_') && rest.contains("__"));
        rest.map(|rest| (name.clone(), format!("settings in the environment begin with {ENVIRONMENT_PREFIX}: {ENVIRONMENT_PREFIX}{rest}")))
    };
    names.filter_map(|name| meant(&name)).collect()
}

/// What is said of a key that does not exist: the one that was probably meant, or all there are.
fn unknown(field: &str, known: &[&str]) -> String {
    let nearest = known.iter().map(|name| (strsim::damerau_levenshtein(field, name), name)).min();
    match nearest {
        Some((distance, name)) if distance <= 2 => format!("there is no such setting; did you mean `{name}`?"),
        _ => format!("there is no such setting; there are {}", known.join(", ")),
    }
}

fn problem(error: figment::Error) -> (String, String) {
    let key = error.path.join(".");
    let place = match &error.metadata {
        Some(metadata) => match &metadata.source {
            Some(source) => format!(" (in {source})"),
            None => format!(" (in {})", metadata.name),
        },
        None => String::new(),
    };
    let reason = match &error.kind {
        Kind::UnknownField(field, known) => unknown(field, known),
        kind => kind.to_string(),
    };
    // An unknown key's path ends at its table.
    let key = match &error.kind {
        Kind::UnknownField(field, _) if !key.ends_with(field.as_str()) && !key.is_empty() => format!("{key}.{field}"),
        Kind::UnknownField(field, _) if key.is_empty() => field.clone(),
        _ if key.is_empty() => "settings".to_owned(),
        _ => key,
    };
    (key, format!("{reason}{place}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_setting_is_told_with_what_was_meant() {
        assert!(unknown("brokerz", &["brokers", "batch"]).contains("did you mean `brokers`?"));
        assert!(unknown("colour", &["brokers", "batch"]).contains("there are brokers, batch"));
    }

    #[test]
    fn a_variable_with_half_the_prefix_is_not_passed_over() {
        let names = ["WHYDUNIT_KAFKA__BROKERS", "WHYDUNIT__KAFKA__BROKERS", "WHYDUNIT_PORT_8080_TCP", "OTHER__X"].map(str::to_owned);
        let found = half_prefixed(names.into_iter());
        assert_eq!(found.len(), 1);
        assert!(found[0].0 == "WHYDUNIT_KAFKA__BROKERS" && found[0].1.ends_with("WHYDUNIT__KAFKA__BROKERS"), "{found:?}");
    }

    #[test]
    fn a_store_that_cannot_work_is_refused_by_its_keys() {
        let Ok(mut settings) = Settings::load(None) else { return };
        settings.store = store::Options { readers: 0, ..store::Options::file("") };
        let problems = settings.validate().err().map(|error| error.problems).unwrap_or_default();
        assert_eq!(problems.iter().map(|(key, _)| key.as_str()).collect::<Vec<_>>(), ["store.path", "store.readers"]);
    }
}
