//! What goes wrong, told once when it begins and once when it is over.

use std::time::Duration;

use rdkafka::consumer::Consumer;
use rdkafka::types::RDKafkaErrorCode;

use super::Reader;
use crate::clock;
use crate::kafka::client::is_for_another_host;
use crate::kafka::context::TopicPartition;
use crate::kafka::error_table::{ErrorClass, Lasting};
use crate::kafka::native::PartitionEvent;
use crate::kafka::trouble::{WRONG_HOST, class, is_connection_error, is_tls_error, is_unclear, topic_in};
use crate::model::ports::{FeedMessage, FeedTrouble};

/// Between two looks whether a trouble is over.
const PROBE_EVERY_MS: i64 = 1_000;
const PROBE_WAIT: Duration = Duration::from_millis(500);

/// Failed tries to place partitions before a passing error counts as one that does not pass.
const PLACING_PATIENCE: u32 = 6;
/// Subject of troubles with finding out where partitions start.
pub(super) const PLACING: &str = "placing";

impl Reader {
    /// An error of the client as a whole, as it comes.
    pub(super) fn error(&mut self, code: RDKafkaErrorCode, reason: &str) {
        if is_connection_error(code) {
            reason.clone_into(&mut self.connection_error);
        }
        if code == RDKafkaErrorCode::Fatal {
            let (code, reason) = self.consumer.client().fatal_error().unwrap_or_else(|| (code, reason.to_owned()));
            self.trouble(code, &reason, "");
            // Whatever becomes of the connector, this client is of no use any more.
            self.ended.get_or_insert_with(|| format!("the Kafka client gave up: {reason}"));
            return;
        }
        if code == RDKafkaErrorCode::AllBrokersDown {
            // A login or a handshake that fails is why: told already.
            if self.troubles.is_on(class::AUTHENTICATION_FAILED) || self.troubles.is_on(class::TLS_FAILED) {
                return;
            }
            let reason = if self.connection_error.is_empty() { reason.to_owned() } else { self.connection_error.clone() };
            return self.trouble(code, &reason, "");
        }
        if is_tls_error(code, reason) && self.troubles.is_on(class::TLS_FAILED) {
            return;
        }
        let wrong_host =
            is_tls_error(code, reason) && is_unclear(reason) && is_for_another_host(&self.config.options, Some(&self.config.source));
        let reason = if wrong_host { format!("{reason} ({WRONG_HOST})") } else { reason.to_owned() };
        let subject = topic_in(&reason).unwrap_or_default().to_owned();
        self.trouble(code, &reason, &subject);
    }

    pub(super) fn trouble(&mut self, code: RDKafkaErrorCode, reason: &str, subject: &str) {
        let brokers = self.config.source.brokers.as_deref().unwrap_or(&self.config.options.brokers);
        if let Some(trouble) = self.config.options.classify(code, reason, brokers) {
            self.report(subject, trouble);
        }
    }

    /// Partitions cannot be placed. An error that passes by itself is told when it does not.
    pub(super) fn not_placed(&mut self, code: RDKafkaErrorCode, reason: &str) {
        self.placing_failed += 1;
        let ErrorClass { class, lasting, .. } = self.config.options.error_class(code);
        if lasting != Lasting::Passing {
            return self.trouble(code, reason, PLACING);
        }
        if self.placing_failed >= PLACING_PATIENCE && !self.troubles.is_on(class::BROKER_UNREACHABLE) {
            let message = format!("partitions wait to be read: {reason}; tried again until it is over");
            self.report(PLACING, FeedTrouble::passing(class, message));
        }
    }

    fn report(&mut self, subject: &str, mut trouble: FeedTrouble) {
        if trouble.class == class::UNKNOWN_TOPIC && !subject.is_empty() && subject != PLACING {
            trouble.topic = subject.split('/').next().map(str::to_owned);
        }
        if self.troubles.is_empty() {
            self.probe_at = clock::now().plus_millis(PROBE_EVERY_MS);
        }
        if trouble.permanent {
            self.ended.get_or_insert_with(|| trouble.message.clone());
        }
        if let Some(trouble) = self.troubles.begin(subject, trouble) {
            self.outbox.push_back(FeedMessage::Trouble(trouble));
        }
    }

    /// Something a person must know that keeps nobody from reading on.
    pub(super) fn notice(&mut self, class: &str, message: String) {
        self.outbox.push_back(FeedMessage::Notice(FeedTrouble::passing(class, message)));
    }

    pub(super) fn over(&mut self, is_over: impl Fn(&FeedTrouble, &str) -> bool) {
        if !self.troubles.is_empty() {
            let ended = self.troubles.end(is_over);
            self.outbox.extend(ended.into_iter().map(FeedMessage::Trouble));
        }
    }

    /// While something is wrong, asks the cluster now and then whether it still is. Troubles of single partitions and of the group
    /// are over when records or partitions come.
    pub(super) fn probe(&mut self) {
        let now = clock::now();
        if self.troubles.is_empty() || now < self.probe_at {
            return;
        }
        self.probe_at = now.plus_millis(PROBE_EVERY_MS);
        let Ok(metadata) = self.consumer.fetch_metadata(None, PROBE_WAIT) else { return };
        let topics: Vec<&str> = metadata.topics().iter().filter(|topic| topic.error().is_none()).map(|topic| topic.name()).collect();
        self.over(|trouble, subject| match trouble.class.as_str() {
            class::UNKNOWN_TOPIC => topics.contains(&subject.split('/').next().unwrap_or(subject)),
            class::NOT_AUTHORIZED | class::GROUP_REFUSED => false,
            _ => !trouble.permanent && !subject.contains('/') && subject != PLACING,
        });
    }

    /// The group has dealt with us: whatever it held against us is over.
    pub(super) fn group_is_well(&mut self) {
        self.over(|trouble, subject| subject.is_empty() && [class::NOT_AUTHORIZED, class::GROUP_REFUSED].contains(&trouble.class.as_str()));
    }

    /// News of one partition; without an event a record or its end came, after an error.
    pub(super) fn partition_told(&mut self, name: &TopicPartition, event: Option<PartitionEvent>) {
        let (topic, partition) = name;
        let subject = format!("{topic}/{partition}");
        match event {
            None => self.over(|_, of| of == subject),
            Some(PartitionEvent::End) => {}
            Some(PartitionEvent::OutOfRange) => self.place_again(topic, *partition),
            Some(PartitionEvent::Failed(code, reason)) => {
                self.packer.set_failing(topic, *partition);
                self.trouble(code, &format!("{topic} partition {partition}: {reason}"), &subject);
            }
        }
    }
}
