//! A Kafka topic: one record a notification, keyed by its investigation, so that these stay in order.

use std::sync::Arc;

use super::payload::payload;
use crate::model::Timestamp;
use crate::model::notification::Outgoing;
use crate::model::ports::{BoxFuture, Outlet, Produce, Produced};

pub const NAME: &str = "kafka";
/// By this header a reader tells a record that was written twice.
const ID_HEADER: &str = "webhook-id";

/// Writes each notification to one topic.
pub struct Kafka {
    topic: String,
    producer: Arc<dyn Produce>,
}

impl std::fmt::Debug for Kafka {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Kafka").field("topic", &self.topic).finish_non_exhaustive()
    }
}

impl Kafka {
    pub fn new(topic: &str, producer: Arc<dyn Produce>) -> Self {
        Self { topic: topic.to_owned(), producer }
    }
}

impl Outlet for Kafka {
    fn name(&self) -> &'static str {
        NAME
    }

    fn target(&self) -> String {
        format!("topic {} at {}", self.topic, self.producer.brokers())
    }

    fn send(&self, outgoing: &Outgoing, _: Timestamp) -> BoxFuture<Result<(), String>> {
        self.producer.produce(Produced {
            topic: self.topic.clone(),
            key: outgoing.notification.investigation_id.clone(),
            value: payload(outgoing),
            headers: vec![
                (ID_HEADER.to_owned(), outgoing.notification.id.clone().into_bytes()),
                ("content-type".to_owned(), b"application/json".to_vec()),
            ],
        })
    }

    fn check(&self) -> BoxFuture<Result<String, String>> {
        let look = self.producer.look(&self.topic);
        Box::pin(async move { look.await.map(|partitions| format!("the topic is there, {partitions} partitions")) })
    }
}
