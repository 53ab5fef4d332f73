//! The demo's broker: librdkafka's own, inside this process.
//!
//! It speaks the real protocol on a loopback port and keeps the newest 5 MB of a partition, silently dropping older records:
//! whoever writes must stay close ahead of whoever reads.

use std::fmt;

use rdkafka::ClientConfig;
use rdkafka::producer::{BaseProducer, Producer};

use super::error::KafkaError;

/// True for every cluster but librdkafka's own, which names a controller that is not there, so that questions to it are never
/// answered.
pub(super) fn has_controller(cluster_id: &str) -> bool {
    !cluster_id.starts_with("mockCluster")
}

/// Ends with the value.
pub struct InProcessBroker {
    /// The client that owns the cluster.
    owner: BaseProducer,
    brokers: String,
}

impl InProcessBroker {
    /// # Errors
    /// No loopback port, no memory.
    pub fn start() -> Result<Self, KafkaError> {
        let owner: BaseProducer = ClientConfig::new().set("test.mock.num.brokers", "1").set("log_level", "0").create()?;
        let cluster = owner.client().mock_cluster().ok_or_else(|| KafkaError::Broker("no in-process broker".to_owned()))?;
        let brokers = cluster.bootstrap_servers();
        drop(cluster);
        Ok(Self { owner, brokers })
    }

    /// Address for `brokers`.
    pub fn brokers(&self) -> &str {
        &self.brokers
    }

    /// Makes a topic; the in-process broker does not answer requests to make one.
    ///
    /// # Errors
    /// A topic of that name is there already.
    pub fn create_topic(&self, topic: &str, partitions: i32) -> Result<(), KafkaError> {
        let cluster = self.owner.client().mock_cluster().ok_or_else(|| KafkaError::Broker("no in-process broker".to_owned()))?;
        cluster.create_topic(topic, partitions, 1).map_err(|error| KafkaError::Broker(format!("topic `{topic}` not made: {error}")))
    }
}

impl fmt::Debug for InProcessBroker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InProcessBroker").field("brokers", &self.brokers).finish()
    }
}
