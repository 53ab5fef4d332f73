//! The way in: Kafka. A consumer a connector, a check of connectors against a cluster, a producer, an in-process broker.

pub mod check;
pub mod client;
pub mod consumer;
pub mod error;
pub mod error_table;
pub mod in_process;
pub mod look;
pub mod options;
pub mod producer;
pub mod start;
pub mod trouble;

mod context;
mod native;
mod reader;
mod wait;

pub use check::{ConnectorCheck, check};
pub use client::group_id;
pub use consumer::{ConsumerConfig, start};
pub use error::KafkaError;
pub use in_process::InProcessBroker;
pub use options::{BatchOptions, Options, Problem, Properties, SourceOptions};
pub use producer::{OutgoingRecord, Producer, create_topics};
pub use start::Start;

/// Version of librdkafka and what it was built with, for `--version`.
pub fn version_features() -> String {
    let (_, version) = rdkafka::util::get_rdkafka_version();
    let features = rdkafka::ClientConfig::new().create_native_config().and_then(|config| config.get("builtin.features"));
    format!("librdkafka {version} ({})", features.unwrap_or_default().trim_end_matches('\0'))
}
