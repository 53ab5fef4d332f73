//! What librdkafka calls back, noted down for the consumer's thread, which acts on it after the poll.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::KafkaResult;
use rdkafka::topic_partition_list::TopicPartitionList;
use rdkafka::types::{RDKafkaErrorCode, RDKafkaRespErr};

/// A topic's partition, without its life.
pub(super) type TopicPartition = (String, i32);

/// Something librdkafka told us, in the order it did.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Note {
    Assign(Vec<TopicPartition>),
    Revoke(Vec<TopicPartition>),
    Error(RDKafkaErrorCode, String),
}

/// Notes are bounded: rebalances are answered one at a time, errors beyond this many are dropped oldest first.
const MAX_NOTES: usize = 256;

#[derive(Debug, Default)]
pub(super) struct Context {
    notes: Mutex<Vec<Note>>,
    /// Set before the consumer is dropped: nobody takes notes any more, rebalances are answered at once.
    closing: AtomicBool,
}

impl Context {
    pub(super) fn take_notes(&self) -> Vec<Note> {
        std::mem::take(&mut *self.lock())
    }

    pub(super) fn close(&self) {
        self.closing.store(true, Ordering::SeqCst);
    }

    fn note(&self, note: Note) {
        let mut notes = self.lock();
        if notes.len() >= MAX_NOTES {
            match notes.iter().position(|note| matches!(note, Note::Error(..))) {
                Some(oldest_error) => drop(notes.remove(oldest_error)),
                None if matches!(note, Note::Error(..)) => return,
                None => {}
            }
        }
        notes.push(note);
    }

    /// A panic between lock and unlock cannot leave the list half-written.
    fn lock(&self) -> MutexGuard<'_, Vec<Note>> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log(level, facility, message);
    }

    fn error(&self, error: rdkafka::error::KafkaError, reason: &str) {
        if let Some(code) = error.rdkafka_error_code() {
            self.note(Note::Error(code, reason.to_owned()));
        }
    }
}

impl ConsumerContext for Context {
    fn rebalance(&self, consumer: &BaseConsumer<Self>, code: RDKafkaRespErr, partitions: &mut TopicPartitionList) {
        let assigned = code == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;
        if self.closing.load(Ordering::SeqCst) {
            // An error here means that the group is gone already: nothing is left to give back.
            let _ = if assigned { consumer.incremental_assign(partitions) } else { consumer.incremental_unassign(partitions) };
            return;
        }
        let list = partitions.elements().iter().map(|element| (element.topic().to_owned(), element.partition())).collect();
        self.note(if assigned { Note::Assign(list) } else { Note::Revoke(list) });
    }

    fn commit_callback(&self, result: KafkaResult<()>, _offsets: &TopicPartitionList) {
        // Commits are for lag monitors only: the next one carries the same news.
        if let Err(error) = result {
            tracing::debug!(target: "kafka", %error, "offsets not published");
        }
    }
}

/// librdkafka's log lines as ours. What matters comes as an error as well, so its warnings are for debugging.
pub(super) fn log(level: RDKafkaLogLevel, facility: &str, message: &str) {
    match level {
        RDKafkaLogLevel::Emerg | RDKafkaLogLevel::Alert | RDKafkaLogLevel::Critical => {
            tracing::error!(target: "librdkafka", facility, "{message}")
        }
        RDKafkaLogLevel::Error | RDKafkaLogLevel::Warning => tracing::info!(target: "librdkafka", facility, "{message}"),
        _ => tracing::debug!(target: "librdkafka", facility, "{message}"),
    }
}
