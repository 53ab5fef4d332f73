//! Settings → librdkafka's configuration.

use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer};

use super::error::KafkaError;
use super::options::{Options, SourceOptions};

/// Tuning that was measured to matter; `properties` may change it.
const TUNING: &[(&str, &str)] = &[
    ("queued.min.messages", "10000"),
    ("queued.max.messages.kbytes", "16384"),
    ("max.partition.fetch.bytes", "262144"),
    // The default of a second makes a consumer slower than the fetcher wait seven times as long.
    ("fetch.queue.backoff.ms", "2"),
    ("check.crcs", "true"),
    // A broker that comes back is found within a second.
    ("reconnect.backoff.max.ms", "1000"),
    ("socket.keepalive.enable", "true"),
    ("log.connection.close", "false"),
];

/// Configuration of any client of this connector: brokers, security, tuning.
pub(super) fn base_config(options: &Options, source: Option<&SourceOptions>) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", source.and_then(|source| source.brokers.as_deref()).unwrap_or(&options.brokers));
    config.set("client.id", "whydunit");
    let connector = source.into_iter().flat_map(|source| source.properties.iter());
    for (name, value) in options.properties.iter().chain(connector) {
        config.set(name, value);
    }
    config.set_log_level(RDKafkaLogLevel::Notice);
    config
}

/// Configuration of a connector's consumer.
pub(super) fn consumer_config(options: &Options, source: &SourceOptions, group: &str, instance: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    for (name, value) in TUNING {
        config.set(*name, *value);
    }
    for (name, value) in base_config(options, Some(source)).config_map() {
        config.set(name, value);
    }
    config
        .set("group.id", group)
        .set("group.instance.id", instance)
        .set("session.timeout.ms", options.session_timeout_ms.to_string())
        .set("heartbeat.interval.ms", (options.session_timeout_ms / 4).clamp(100, 3_000).to_string())
        .set("topic.metadata.refresh.interval.ms", options.metadata_refresh_ms.to_string())
        .set("metadata.max.age.ms", options.metadata_refresh_ms.saturating_mul(3).to_string())
        .set("partition.assignment.strategy", "cooperative-sticky")
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("auto.offset.reset", "error")
        .set("enable.partition.eof", "true")
        .set("isolation.level", "read_committed")
        .set_log_level(RDKafkaLogLevel::Notice);
    // librdkafka wants max.poll.interval.ms at least as long as the session.
    if options.session_timeout_ms > 300_000 {
        config.set("max.poll.interval.ms", options.session_timeout_ms.to_string());
    }
    config
}

/// Asks librdkafka whether it can compile a topic pattern.
pub(super) fn check_pattern(pattern: &str) -> Result<(), String> {
    if pattern.len() < 2 || pattern.contains('\0') {
        return Err(format!("`{pattern}` is an empty pattern"));
    }
    let probe: BaseConsumer = ClientConfig::new()
        .set("group.id", "pattern")
        .set("log_level", "0")
        .create()
        .map_err(|error| format!("`{pattern}` cannot be checked: {error}"))?;
    probe.subscribe(&[pattern]).map_err(|_| format!("`{pattern}` is not a regular expression librdkafka can compile"))
}

/// The name of a connector's consumer group, unless its settings name one.
pub fn group_id(options: &Options, source: &SourceOptions, database_id: &str, connector: &str) -> String {
    source.group.clone().unwrap_or_else(|| format!("{}-{database_id}-{connector}", options.group_prefix))
}

impl From<Vec<super::options::Problem>> for KafkaError {
    fn from(problems: Vec<super::options::Problem>) -> Self {
        Self::Settings { problems }
    }
}
