//! Records that come without Kafka: kept in the database until the checkpoint is past them, and read from there like one more
//! partition of one more topic.

use thiserror::Error;

use super::position::PartitionKey;
use super::{Source, Timestamp};

/// Cluster of what comes over HTTP; Kafka's cluster ids are longer.
pub const CLUSTER: &str = "http";
/// Header of a record that names its format: where it came in says more than its first bytes.
pub const FORMAT_HEADER: &str = "whydunit-format";
/// What a record is counted with beside its value and headers, bytes.
const ROW_BYTES: usize = 64;

/// Names and values in order, as a record has them.
pub type Headers = Vec<(String, Vec<u8>)>;

/// Name of the connector that reads what comes over HTTP for a source.
pub const fn connector_of(source: Source) -> &'static str {
    match source {
        Source::Git => "http-git",
        Source::Ci => "http-ci",
        Source::Metrics => "http-metrics",
        Source::Logs => "http-logs",
        Source::Traces => "http-traces",
        Source::Manual => "http-manual",
    }
}

/// True for the name of such a connector.
pub fn is_connector(name: &str) -> bool {
    Source::ALL.into_iter().any(|source| connector_of(source) == name)
}

/// The partition that it reads.
pub fn partition_of(source: Source) -> PartitionKey {
    let topic = format!("{CLUSTER}.{}", source.as_str());
    PartitionKey { cluster: CLUSTER.into(), topic: topic.into(), incarnation: 0, partition: 0 }
}

/// A record that has come and is not stored yet.
#[derive(Clone, Debug, PartialEq)]
pub struct NewRecord {
    pub source: Source,
    pub value: Vec<u8>,
    pub headers: Headers,
    pub received_at: Timestamp,
}

impl NewRecord {
    /// What it takes of the room there is, bytes.
    pub fn size_bytes(&self) -> u64 {
        let headers: usize = self.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
        (self.value.len() + headers + ROW_BYTES) as u64
    }
}

/// A record that is stored.
#[derive(Clone, Debug, PartialEq)]
pub struct ReceivedRecord {
    pub offset: i64,
    pub value: Vec<u8>,
    pub headers: Headers,
    pub received_at: Timestamp,
}

/// Some records of one connector, in order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ReceivedPage {
    pub records: Vec<ReceivedRecord>,
    /// The offset that the next record to come will have.
    pub end_offset: i64,
}

/// Rows that were removed because the checkpoint is past them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReceivedRemoved {
    /// Bytes by connector.
    pub bytes: Vec<(String, u64)>,
    /// There are more to remove.
    pub more: bool,
}

/// Why records were not taken. Nothing of the request is stored.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ReceiveError {
    /// As many bytes wait as may.
    #[error("{waiting} bytes of {connector} wait to be read, of {limit} that may (ingest.max_mib)")]
    Full { connector: &'static str, waiting: u64, limit: u64 },
    /// The store cannot write now.
    #[error("{0}")]
    Unavailable(String),
    /// The process was told to end.
    #[error("this whydunit is ending; send to the next one")]
    Ending,
}
