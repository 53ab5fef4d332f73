//! What topics hold: how many offsets, and the times of their oldest and newest records, by reading these.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rdkafka::consumer::Consumer;
use rdkafka::error::KafkaError as NativeError;
use rdkafka::types::RDKafkaErrorCode as Code;
use rdkafka::{Offset, TopicPartitionList};

use super::{ASK_WAIT, Checker, ConnectorCheck, TopicCheck, client_errors, may_not_read};
use crate::clock;
use crate::kafka::context::TopicPartition;
use crate::kafka::native::{DataQueue, PartitionEvent};
use crate::kafka::trouble::is_connection_error;
use crate::model::Timestamp;

/// How long the first and last records may take, all partitions together.
const READ_WAIT_MS: i64 = 20_000;
/// The newest offsets may hold control records: the newest record is looked for in this many.
const NEWEST_OFFSETS: i64 = 5;

impl Checker<'_> {
    /// Fills in what the topics hold, by reading their first and last records.
    pub(super) fn extents(&self, topics: &mut [TopicCheck], report: &mut ConnectorCheck) {
        let partitions: Vec<TopicPartition> = topics
            .iter()
            .flat_map(|topic| (0..i32::try_from(topic.partitions).unwrap_or(0)).map(|partition| (topic.name.clone(), partition)))
            .collect();
        if partitions.is_empty() {
            return;
        }
        let lows = self.offsets(&partitions, Offset::Beginning);
        let both = lows.and_then(|lows| Ok((lows, self.offsets(&partitions, Offset::End)?)));
        let (lows, highs) = match both {
            Ok(both) => both,
            Err(error) => return self.no_offsets(&error, report),
        };
        let mut first = BTreeMap::new();
        let mut last = BTreeMap::new();
        for (partition, high) in &highs {
            let Some(low) = lows.get(partition) else { continue };
            if let Some(topic) = topics.iter_mut().find(|topic| topic.name == partition.0) {
                topic.offsets += u64::try_from(high - low).unwrap_or(0);
            }
            if high > low {
                first.insert(partition.clone(), *low);
                last.insert(partition.clone(), (high - NEWEST_OFFSETS).max(*low));
            }
        }
        for (name, time) in self.read(&first, true, report) {
            if let Some(topic) = topics.iter_mut().find(|topic| topic.name == name) {
                topic.oldest = Some(topic.oldest.map_or(time, |oldest| oldest.min(time)));
            }
        }
        for (name, time) in self.read(&last, false, report) {
            if let Some(topic) = topics.iter_mut().find(|topic| topic.name == name) {
                topic.newest = Some(topic.newest.map_or(time, |newest| newest.max(time)));
            }
        }
    }

    /// The cluster answered, but not the leaders of the partitions: most often they are advertised under names unknown here.
    fn no_offsets(&self, error: &NativeError, report: &mut ConnectorCheck) {
        let unreachable = client_errors(&self.consumer).into_iter().rev().find(|(code, _)| is_connection_error(*code));
        let message = match unreachable {
            Some((_, reason)) => format!(
                "offsets cannot be looked up: {reason}; can the addresses the brokers give themselves (advertised.listeners: {}) be reached from here?",
                report.cluster.join(", ")
            ),
            None => format!("offsets cannot be looked up: {error}"),
        };
        report.problem(message, None);
    }

    fn offsets(&self, partitions: &[TopicPartition], at: Offset) -> Result<BTreeMap<TopicPartition, i64>, NativeError> {
        let mut list = TopicPartitionList::with_capacity(partitions.len());
        for (topic, partition) in partitions {
            list.add_partition_offset(topic, *partition, at)?;
        }
        let answers = self.consumer.offsets_for_times(list, ASK_WAIT)?;
        let found = answers.elements().into_iter().filter(|answer| answer.error().is_ok()).filter_map(|answer| match answer.offset() {
            Offset::Offset(offset) => Some(((answer.topic().to_owned(), answer.partition()), offset)),
            _ => None,
        });
        Ok(found.collect())
    }

    /// Reads from the given offsets: the first record of each partition, or all up to its end. Times by topic.
    fn read(&self, from: &BTreeMap<TopicPartition, i64>, first_only: bool, report: &mut ConnectorCheck) -> Vec<(String, Timestamp)> {
        let mut times = Vec::new();
        let (Some(mut data), Ok(list)) = (DataQueue::new(Arc::clone(&self.consumer), 64), list_of(from)) else { return times };
        let mut waiting: Vec<TopicPartition> = from.keys().cloned().collect();
        let forward = |data: &DataQueue, partitions: &[TopicPartition]| {
            partitions.iter().for_each(|(topic, partition)| data.forward(topic, *partition));
        };
        // First: what is fetched before comes by the consumer's own queue, where nobody looks for it.
        forward(&data, &waiting);
        if let Err(error) = self.consumer.assign(&list) {
            report.problem(format!("partitions cannot be read: {error}"), None);
            return times;
        }
        let give_up_at = clock::now().plus_millis(READ_WAIT_MS);
        while !waiting.is_empty() && clock::now() < give_up_at {
            self.consumer.poll(Duration::ZERO);
            // A partition that was read before loses its forwarding when that stops, which may be after we set it.
            forward(&data, &waiting);
            let Some(delivery) = data.next(Duration::from_millis(50)) else { continue };
            let name = (delivery.topic(), delivery.partition());
            let event = delivery.event();
            if event.is_none() && waiting.contains(&name) {
                times.extend(delivery.timestamp().map(|time| (name.0.clone(), time)));
            }
            if event.is_some() || first_only {
                waiting.retain(|partition| *partition != name);
            }
            if let Some(PartitionEvent::Failed(code, reason)) = event {
                let denied = code == Code::TopicAuthorizationFailed;
                let message = if denied { may_not_read(&name.0) } else { format!("topic `{}`: {reason}", name.0) };
                report.problem(message, denied.then(|| self.grants.topic(&name.0)));
            }
        }
        drop(data);
        // Nothing was assigned by the group: there is nothing to give back.
        let _ = self.consumer.unassign();
        times
    }
}

fn list_of(offsets: &BTreeMap<TopicPartition, i64>) -> Result<TopicPartitionList, NativeError> {
    let mut list = TopicPartitionList::with_capacity(offsets.len());
    for ((topic, partition), offset) in offsets {
        list.add_partition_offset(topic, *partition, Offset::Offset(*offset))?;
    }
    Ok(list)
}
