//! What a user may set about Kafka, and what is wrong with it.

use std::collections::BTreeMap;
use std::fmt;

use rdkafka::ClientConfig;
use rdkafka::error::KafkaError as NativeError;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::error_table::error_named;
use super::start::Start;
use crate::model::Source;

/// Settings of every connector, unless a connector sets its own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Options {
    /// `host:port`, several separated by commas.
    pub brokers: String,
    /// Consumer groups are named `<group_prefix>-<database id>-<connector>`.
    pub group_prefix: String,
    /// How long the broker waits for a silent process before its partitions go to another one, milliseconds.
    pub session_timeout_ms: u32,
    /// How often topics and partitions are looked up anew, milliseconds.
    pub metadata_refresh_ms: u32,
    /// Bytes that a connector fetches ahead of what it has packed, KiB; a fetch under way may add as many.
    pub prefetch_kib: u32,
    /// Errors after which a connector stops until a person resets it, beside those of the table; see `whydunit check --errors`.
    pub permanent_errors: Vec<String>,
    /// Errors that are tried again, whatever the table says.
    pub transient_errors: Vec<String>,
    /// Any property of librdkafka: TLS, SASL, tuning.
    pub properties: Properties,
    pub batch: BatchOptions,
}

/// How records are packed. A batch is handed on at the first bound it reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BatchOptions {
    pub max_records: u32,
    /// Keys, values and headers together; one larger record still fits.
    pub max_bytes: u32,
    /// Longest wait of a record for others, milliseconds.
    pub max_wait_ms: u32,
    /// Batches that may wait for the pipeline before partitions are paused.
    pub queue: u32,
}

/// One connector: one source, its topics, and what differs from [`Options`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourceOptions {
    pub source: Source,
    /// Topic names; a name with a leading `^` is a pattern (POSIX extended regular expression).
    pub topics: Vec<String>,
    #[serde(default)]
    pub brokers: Option<String>,
    /// Consumer group, instead of the derived one.
    #[serde(default)]
    pub group: Option<String>,
    /// Wire format of the records; `auto` looks at each.
    #[serde(default = "auto")]
    pub format: String,
    #[serde(default)]
    pub start: Start,
    /// Put over the properties of [`Options`].
    #[serde(default)]
    pub properties: Properties,
}

fn auto() -> String {
    "auto".to_owned()
}

impl Default for Options {
    fn default() -> Self {
        Self {
            brokers: "127.0.0.1:9092".to_owned(),
            group_prefix: "whydunit".to_owned(),
            session_timeout_ms: 10_000,
            metadata_refresh_ms: 10_000,
            prefetch_kib: 16_384,
            permanent_errors: Vec::new(),
            transient_errors: Vec::new(),
            properties: Properties::default(),
            batch: BatchOptions::default(),
        }
    }
}

impl Default for BatchOptions {
    fn default() -> Self {
        Self { max_records: 500, max_bytes: 1_048_576, max_wait_ms: 50, queue: 6 }
    }
}

/// One thing wrong with the settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Key relative to the validated part: `batch.max_records`, `properties."fetch.min.bytes"`.
    pub key: String,
    pub reason: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.key, self.reason)
    }
}

fn problem(key: &str, reason: impl Into<String>) -> Problem {
    Problem { key: key.to_owned(), reason: reason.into() }
}

impl Options {
    /// Everything wrong with these settings; empty when they can be used.
    pub fn validate(&self) -> Vec<Problem> {
        let mut problems: Vec<Problem> = check_brokers(&self.brokers).into_iter().collect();
        if let Err(reason) = check_name(&self.group_prefix) {
            problems.push(problem("group_prefix", reason));
        }
        check_range(&mut problems, "session_timeout_ms", self.session_timeout_ms, 1_000..=1_800_000);
        check_range(&mut problems, "metadata_refresh_ms", self.metadata_refresh_ms, 100..=3_600_000);
        check_range(&mut problems, "prefetch_kib", self.prefetch_kib, 1_024..=1_048_576);
        check_range(&mut problems, "batch.max_records", self.batch.max_records, 1..=10_000);
        check_range(&mut problems, "batch.max_bytes", self.batch.max_bytes, 1_024..=67_108_864);
        check_range(&mut problems, "batch.max_wait_ms", self.batch.max_wait_ms, 0..=10_000);
        check_range(&mut problems, "batch.queue", self.batch.queue, 1..=64);
        for (key, list) in [("permanent_errors", &self.permanent_errors), ("transient_errors", &self.transient_errors)] {
            let unknown = list.iter().filter(|name| error_named(name).is_none());
            let reason = |name| format!("no error is called `{name}`; `whydunit check --errors` lists them");
            problems.extend(unknown.map(|name| problem(key, reason(name))));
        }
        let both = self.permanent_errors.iter().filter(|name| self.transient_errors.contains(name));
        problems.extend(both.map(|name| problem("transient_errors", format!("`{name}` is in permanent_errors too"))));
        problems.extend(self.properties.validate());
        problems
    }
}

impl SourceOptions {
    /// A connector of `source` reading `topics` from their beginning.
    pub fn new(source: Source, topics: &[&str]) -> Self {
        Self {
            source,
            topics: topics.iter().map(|topic| (*topic).to_owned()).collect(),
            brokers: None,
            group: None,
            format: auto(),
            start: Start::default(),
            properties: Properties::default(),
        }
    }

    /// Everything wrong with these settings; empty when they can be used.
    pub fn validate(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        if self.topics.is_empty() {
            problems.push(problem("topics", "names no topic"));
        }
        for (index, topic) in self.topics.iter().enumerate() {
            if let Err(reason) = check_topic(topic) {
                problems.push(problem(&format!("topics[{index}]"), reason));
            }
            if self.topics[..index].contains(topic) {
                problems.push(problem(&format!("topics[{index}]"), format!("`{topic}` is named twice")));
            }
        }
        problems.extend(self.brokers.as_deref().and_then(check_brokers));
        if let Some(Err(reason)) = self.group.as_deref().map(check_name) {
            problems.push(problem("group", reason));
        }
        if self.format.trim().is_empty() {
            problems.push(problem("format", "is empty; `auto` looks at each record"));
        }
        problems.extend(self.properties.validate());
        problems
    }
}

fn check_range(problems: &mut Vec<Problem>, key: &str, value: u32, allowed: std::ops::RangeInclusive<u32>) {
    if !allowed.contains(&value) {
        problems.push(problem(key, format!("{value} is not between {} and {}", allowed.start(), allowed.end())));
    }
}

fn check_brokers(brokers: &str) -> Option<Problem> {
    let bad = |reason: String| Some(problem("brokers", reason));
    if brokers.trim().is_empty() {
        return bad("is empty; write host:port, several separated by commas".to_owned());
    }
    for broker in brokers.split(',').map(str::trim) {
        // A protocol may stand in front: SASL_SSL://host:9093.
        let address = broker.split_once("://").map_or(broker, |(_, rest)| rest);
        let (host, port) = address.rsplit_once(':').unwrap_or((address, "9092"));
        if host.is_empty() || host.contains(char::is_whitespace) {
            return bad(format!("`{broker}` has no host; write host:port"));
        }
        if port.parse::<u16>().ok().filter(|port| *port > 0).is_none() && !address.ends_with(']') {
            return bad(format!("`{broker}` has no port between 1 and 65535; write host:port"));
        }
    }
    None
}

/// Kafka's rule for topic names; groups keep to it too.
fn check_name(name: &str) -> Result<(), String> {
    if name.is_empty() || name.len() > 249 {
        return Err("must have 1 to 249 characters".to_owned());
    }
    match name.chars().find(|c| !(c.is_ascii_alphanumeric() || "._-".contains(*c))) {
        Some(bad) => Err(format!("`{name}` contains `{bad}`; allowed are letters, digits, `.`, `_` and `-`")),
        None => Ok(()),
    }
}

fn check_topic(topic: &str) -> Result<(), String> {
    if topic.starts_with('^') {
        return super::client::check_pattern(topic);
    }
    if topic == "." || topic == ".." {
        return Err(format!("`{topic}` is not a topic name"));
    }
    check_name(topic).map_err(|reason| match topic.contains(['*', '(', '[', '|', '+', '$']) {
        true => format!("{reason}; a pattern starts with `^`"),
        false => reason,
    })
}

/// Properties of librdkafka by name. Secrets are kept out of debug output and of serialised settings.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Properties(BTreeMap<String, String>);

const HIDDEN: &str = "(hidden)";

/// Properties whydunit's promises rest on.
const OURS: &[(&str, &str)] = &[
    ("bootstrap.servers", "is set with `brokers`"),
    ("metadata.broker.list", "is set with `brokers`"),
    ("group.id", "is set with `group`"),
    ("group.instance.id", "is derived from the database"),
    ("group.protocol", "is `classic`: positions are ours to give"),
    ("queued.max.messages.kbytes", "is set with `prefetch_kib`"),
    ("fetch.max.bytes", "is set with `prefetch_kib`"),
    ("session.timeout.ms", "is set with `session_timeout_ms`"),
    ("topic.metadata.refresh.interval.ms", "is set with `metadata_refresh_ms`"),
    ("enable.auto.commit", "is off: offsets are kept with the data"),
    ("auto.commit.enable", "is off: offsets are kept with the data"),
    ("enable.auto.offset.store", "is off: offsets are kept with the data"),
    ("auto.offset.reset", "is `error`, so that no gap goes unseen; `start` says where to begin"),
    ("partition.assignment.strategy", "is `cooperative-sticky`"),
    ("enable.partition.eof", "is on: the watermark needs it"),
    ("isolation.level", "is `read_committed`: aborted records are not facts"),
];

impl Properties {
    pub fn set(&mut self, name: &str, value: impl Into<String>) -> &mut Self {
        self.0.insert(name.to_owned(), value.into());
        self
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// Asks librdkafka about each name and value by itself, so that every bad one is found.
    fn validate(&self) -> Vec<Problem> {
        self.iter()
            .filter_map(|(name, value)| {
                let reason = match OURS.iter().find(|(ours, _)| *ours == name) {
                    Some((_, why)) => Some(format!("cannot be changed: it {why}")),
                    None => reject_property(name, value),
                };
                reason.map(|reason| problem(&format!("properties.\"{name}\""), reason))
            })
            .collect()
    }
}

fn reject_property(name: &str, value: &str) -> Option<String> {
    if name.contains('\0') || value.contains('\0') {
        return Some("contains a zero byte".to_owned());
    }
    match ClientConfig::new().set(name, value).create_native_config() {
        Ok(_) => None,
        Err(NativeError::ClientConfig(_, description, _, _)) => {
            Some(if is_secret(name) { "not a value librdkafka takes".to_owned() } else { description })
        }
        Err(error) => Some(error.to_string()),
    }
}

/// True for properties that must not be printed.
pub fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ["password", "secret", "key.pem", "jaas", "token", "sasl.oauthbearer.config", "private.key"].iter().any(|mark| name.contains(mark))
}

impl fmt::Debug for Properties {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter().map(|(name, value)| (name, if is_secret(name) { HIDDEN } else { value }))).finish()
    }
}

impl Serialize for Properties {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter().map(|(name, value)| (name, if is_secret(name) { HIDDEN } else { value })))
    }
}

impl<'de> Deserialize<'de> for Properties {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let values = BTreeMap::<String, PropertyValue>::deserialize(deserializer)?;
        Ok(Self(values.into_iter().map(|(name, value)| (dotted(name), value.into_text())).collect()))
    }
}

/// Names in the environment have no dots: `sasl_password` is `sasl.password`. One of librdkafka's own has an underscore.
fn dotted(name: String) -> String {
    if name.contains('.') || name == "log_level" { name } else { name.replace('_', ".") }
}

/// Numbers and switches may be written without quotes.
#[derive(Deserialize)]
#[serde(untagged)]
enum PropertyValue {
    Text(String),
    Whole(i64),
    Number(f64),
    Switch(bool),
}

impl PropertyValue {
    fn into_text(self) -> String {
        match self {
            Self::Text(text) => text,
            Self::Whole(number) => number.to_string(),
            Self::Number(number) => number.to_string(),
            Self::Switch(on) => on.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use super::*;

    #[test]
    fn a_connector_is_written_in_a_few_lines_and_a_misspelt_key_is_refused() {
        let source: SourceOptions = toml::from_str(
            r#"
            source = "logs"
            topics = ["shop.logs", "^shop\\..*"]
            start = "-2h"
            properties = { "fetch.min.bytes" = 1, "socket.keepalive.enable" = true, "client.rack" = "a" }
            "#,
        )
        .unwrap();
        assert_eq!(source.validate(), []);
        assert_eq!((source.start, source.format.as_str()), (Start::AgoSeconds(7_200), "auto"));
        assert_eq!(source.properties.get("fetch.min.bytes"), Some("1"));
        let error = toml::from_str::<SourceOptions>("source = 'logs'\ntopics = []\ntopicz = []").unwrap_err().to_string();
        assert!(error.contains("topicz"), "{error}");
        let error = toml::from_str::<SourceOptions>("source = 'logs'\ntopics = []\nstart = 'soon'").unwrap_err().to_string();
        assert!(error.contains("`soon` is not a start"), "{error}");
    }

    #[test]
    fn secrets_are_neither_printed_nor_serialised() {
        let mut options = Options::default();
        options.properties.set("sasl.password", "hunter2").set("ssl.key.pem", "hunter2").set("sasl.username", "alice");
        for text in [format!("{options:?}"), toml::to_string(&options).unwrap()] {
            assert!(!text.contains("hunter2"), "{text}");
            assert!(text.contains("alice"), "{text}");
        }
    }

    #[test]
    fn addresses_are_checked_before_anything_connects() {
        for good in ["a:1", "a:1, b:2", "[::1]:9092", "SASL_SSL://kafka.example:9093", "kafka"] {
            assert_eq!(check_brokers(good), None, "{good}");
        }
        for bad in ["", " ", "a:1,,b:2", ":9092", "a:0", "a:99999", "a:port", "a b:1"] {
            assert!(check_brokers(bad).is_some(), "{bad}");
        }
    }

    #[test]
    fn a_pattern_without_its_mark_is_recognised() {
        assert!(check_topic("shop.*").unwrap_err().contains("starts with `^`"));
        assert!(check_topic("^shop.*").is_ok());
        assert!(check_topic("").is_err());
        assert!(check_topic("..").is_err());
    }
}
