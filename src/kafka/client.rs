//! Settings → librdkafka's configuration.

use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer};

use super::context::{Context, Note};
use super::error::KafkaError;
use super::options::{Options, SourceOptions};
use super::trouble::is_tls_error;
use crate::clock;

/// How long a second look at a refused certificate may take.
const HANDSHAKE_WAIT: Duration = Duration::from_secs(1);

/// Tuning that was measured to matter; `properties` may change it.
const TUNING: &[(&str, &str)] = &[
    ("queued.min.messages", "10000"),
    ("max.partition.fetch.bytes", "262144"),
    // The default of a second makes a consumer slower than the fetcher wait seven times as long.
    ("fetch.queue.backoff.ms", "2"),
    ("check.crcs", "true"),
    // A broker that comes back is found within a second.
    ("reconnect.backoff.max.ms", "1000"),
    ("socket.keepalive.enable", "true"),
    ("log.connection.close", "false"),
];

/// Configuration of any client of this connector: brokers, security, the user's properties.
pub(super) fn base_config(options: &Options, source: Option<&SourceOptions>) -> ClientConfig {
    let mut config = ClientConfig::new();
    apply(&mut config, options, source);
    config
}

/// Lays the user's settings over what `config` holds. Not through a copy of its map: that one hides secrets.
fn apply(config: &mut ClientConfig, options: &Options, source: Option<&SourceOptions>) {
    config.set("bootstrap.servers", source.and_then(|source| source.brokers.as_deref()).unwrap_or(&options.brokers));
    config.set("client.id", "whydunit");
    let connector = source.into_iter().flat_map(|source| source.properties.iter());
    for (name, value) in options.properties.iter().chain(connector) {
        config.set(name, value);
    }
    config.set_log_level(RDKafkaLogLevel::Notice);
}

/// Configuration of a connector's consumer.
pub(super) fn consumer_config(options: &Options, source: &SourceOptions, group: &str, instance: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    for (name, value) in TUNING {
        config.set(*name, *value);
    }
    apply(&mut config, options, Some(source));
    config
        .set("group.id", group)
        .set("group.instance.id", instance)
        .set("session.timeout.ms", options.session_timeout_ms.to_string())
        .set("heartbeat.interval.ms", (options.session_timeout_ms / 4).clamp(100, 3_000).to_string())
        // All partitions share one queue, so this bounds them together.
        .set("queued.max.messages.kbytes", options.prefetch_kib.to_string())
        .set("fetch.max.bytes", u64::from(options.prefetch_kib).saturating_mul(1_024).to_string())
        .set("topic.metadata.refresh.interval.ms", options.metadata_refresh_ms.to_string())
        .set("metadata.max.age.ms", options.metadata_refresh_ms.saturating_mul(3).to_string())
        .set("partition.assignment.strategy", "cooperative-sticky")
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("auto.offset.reset", "error")
        .set("enable.partition.eof", "true")
        .set("isolation.level", "read_committed");
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

/// Whether the broker's certificate is refused for its host name alone. librdkafka's error does not say; so the handshake is
/// tried once more without that check, and without a login, which an unknown host must not see.
pub(super) fn is_for_another_host(options: &Options, source: Option<&SourceOptions>) -> bool {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", source.and_then(|source| source.brokers.as_deref()).unwrap_or(&options.brokers));
    let connector = source.into_iter().flat_map(|source| source.properties.iter());
    for (name, value) in options.properties.iter().chain(connector).filter(|(name, _)| name.starts_with("ssl.")) {
        config.set(name, value);
    }
    config.set("security.protocol", "ssl").set("ssl.endpoint.identification.algorithm", "none");
    let Ok(probe) = config.create_with_context::<_, BaseConsumer<Context>>(Context::default()) else { return false };
    if probe.fetch_metadata(None, HANDSHAKE_WAIT).is_ok() {
        return true;
    }
    let until = clock::now().plus_millis(HANDSHAKE_WAIT.as_millis() as i64);
    loop {
        // Past the handshake the broker hangs up on a client that does not log in: any error but one of TLS.
        probe.poll(Duration::from_millis(50));
        let errors: Vec<bool> = probe
            .context()
            .take_notes()
            .into_iter()
            .filter_map(|note| if let Note::Error(code, reason) = note { Some(is_tls_error(code, &reason)) } else { None })
            .collect();
        if let Some(tls) = errors.first() {
            return !tls;
        }
        if clock::now() >= until {
            return false;
        }
    }
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
