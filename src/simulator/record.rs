//! What leaves the shop: records as a producer hands them to Kafka.

use crate::model::{Source, Timestamp};

/// One Kafka record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutRecord {
    pub topic: &'static str,
    pub source: Source,
    pub key: Option<Vec<u8>>,
    pub value: Vec<u8>,
    pub headers: Vec<(String, Vec<u8>)>,
    /// When its exporter sent it: the record's Kafka timestamp.
    pub timestamp: Timestamp,
}

/// Topics the shop writes to, one for each source.
pub const TOPICS: [(Source, &str); 6] = [
    (Source::Logs, "shop.logs"),
    (Source::Metrics, "shop.metrics"),
    (Source::Traces, "shop.traces"),
    (Source::Git, "shop.git"),
    (Source::Ci, "shop.ci"),
    (Source::Manual, "shop.manual"),
];

impl OutRecord {
    pub(super) fn new(source: Source, value: Vec<u8>, at_ns: i64) -> Self {
        let topic = match source {
            Source::Logs => "shop.logs",
            Source::Metrics => "shop.metrics",
            Source::Traces => "shop.traces",
            Source::Git => "shop.git",
            Source::Ci => "shop.ci",
            Source::Manual => "shop.manual",
        };
        Self { topic, source, key: None, value, headers: Vec::new(), timestamp: Timestamp::from_nanos(at_ns) }
    }

    pub(super) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.as_bytes().to_vec()));
        self
    }

    pub(super) fn key(mut self, key: &str) -> Self {
        self.key = Some(key.as_bytes().to_vec());
        self
    }

    /// Bytes of value, key and headers.
    pub fn size_bytes(&self) -> usize {
        let headers: usize = self.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
        self.value.len() + self.key.as_ref().map_or(0, Vec::len) + headers
    }
}
