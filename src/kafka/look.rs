//! Looks at records without reading them in: joins no group, commits nothing.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{Offset, TopicPartitionList};

use super::check::{first_answer, offsets};
use super::client::base_config;
use super::context::{Context, TopicPartition};
use super::error::KafkaError;
use super::native::{DataQueue, PartitionEvent};
use super::options::{Options, SourceOptions};
use crate::clock;
use crate::model::Timestamp;
use crate::model::position::Position;
use crate::model::source_record::{Fetched, FetchedRecord};

/// How long the records of one topic, or the one record, may take.
const TOPIC_WAIT_MS: i64 = 20_000;
const RECORD_WAIT_MS: i64 = 5_000;
/// Bytes taken of one topic: large records make a small sample.
const MAX_SAMPLE_BYTES: usize = 32 << 20;

type Offsets = BTreeMap<TopicPartition, i64>;

/// A client that only looks.
pub struct Onlooker {
    consumer: Arc<BaseConsumer<Context>>,
    topics: Vec<(String, i32)>,
}

impl std::fmt::Debug for Onlooker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Onlooker").field("topics", &self.topics.len()).finish_non_exhaustive()
    }
}

impl Onlooker {
    /// Connects, and learns which topics there are. Blocks for some seconds at most; longer when brokers do not answer.
    ///
    /// # Errors
    /// Brokers that do not answer or do not let us in.
    pub fn connect(options: &Options, source: Option<&SourceOptions>) -> Result<Self, KafkaError> {
        let mut config = base_config(options, source);
        config.set("group.id", "whydunit-look").set("enable.auto.commit", "false").set("isolation.level", "read_committed");
        config.set("enable.partition.eof", "true").set("auto.offset.reset", "error").set("queued.max.messages.kbytes", "16384");
        let consumer: Arc<BaseConsumer<Context>> = Arc::new(config.create_with_context(Context::default())?);
        let metadata = first_answer(&consumer).map_err(|(error, _)| error)?;
        let mut topics: Vec<_> = metadata
            .topics()
            .iter()
            .map(|topic| (topic.name().to_owned(), i32::try_from(topic.partitions().len()).unwrap_or(i32::MAX)))
            .collect();
        topics.sort_unstable();
        Ok(Self { consumer, topics })
    }

    /// Topics we may see, without the cluster's own, with their partitions.
    pub fn topics(&self) -> impl Iterator<Item = &(String, i32)> {
        self.topics.iter().filter(|(name, _)| !name.starts_with("__"))
    }

    /// The newest records of a topic, about as many of each partition, `limit` in all.
    ///
    /// # Errors
    /// A topic that may not be read.
    pub fn newest(&self, topic: &str, partitions: i32, limit: usize) -> Result<Vec<FetchedRecord>, KafkaError> {
        let all: Vec<TopicPartition> = (0..partitions).map(|partition| (topic.to_owned(), partition)).collect();
        let (firsts, ends) = self.extents(&all)?;
        let share = i64::try_from(limit.div_ceil(all.len().max(1))).unwrap_or(i64::MAX);
        let mut from = BTreeMap::new();
        for (partition, end) in ends {
            let first = firsts.get(&partition).copied().unwrap_or(end);
            if end > first {
                from.insert(partition, first.max(end - share));
            }
        }
        self.read(&from, limit, TOPIC_WAIT_MS)
    }

    fn extents(&self, partitions: &[TopicPartition]) -> Result<(Offsets, Offsets), KafkaError> {
        let asked: Vec<&TopicPartition> = partitions.iter().collect();
        let of = |at| offsets(&self.consumer, &asked, at).map(|found| found.into_iter().collect());
        Ok((of(Offset::Beginning)?, of(Offset::End)?))
    }

    /// Reads from the given offsets up to each partition's end, `limit` records in all.
    fn read(&self, from: &Offsets, limit: usize, wait_ms: i64) -> Result<Vec<FetchedRecord>, KafkaError> {
        let mut records = Vec::new();
        let mut waiting: Vec<TopicPartition> = from.keys().cloned().collect();
        let Some(mut data) = DataQueue::new(Arc::clone(&self.consumer), 64) else { return Ok(records) };
        let mut list = TopicPartitionList::with_capacity(from.len());
        for ((topic, partition), offset) in from {
            data.forward(topic, *partition);
            list.add_partition_offset(topic, *partition, Offset::Offset(*offset))?;
        }
        self.consumer.assign(&list)?;
        let give_up_at = clock::now().plus_millis(wait_ms);
        let (mut bytes, mut failed) = (0, None);
        while !waiting.is_empty() && records.len() < limit && bytes < MAX_SAMPLE_BYTES && clock::now() < give_up_at {
            self.consumer.poll(Duration::ZERO);
            // A partition that was read before loses its forwarding when that stops, which may be after we set it.
            waiting.iter().for_each(|(topic, partition)| data.forward(topic, *partition));
            let Some(delivery) = data.next(Duration::from_millis(50)) else { continue };
            let (topic, partition) = delivery.name();
            let name = (topic, partition);
            match delivery.event() {
                None if from.contains_key(&name) => {
                    let record = fetched(&name, &delivery);
                    bytes += record.value.as_ref().map_or(0, Vec::len) + record.key.as_ref().map_or(0, Vec::len);
                    records.push(record);
                }
                None => {}
                Some(event) => {
                    waiting.retain(|partition| *partition != name);
                    if let PartitionEvent::Failed(_, reason) = event {
                        failed.get_or_insert(format!("topic `{}`: {reason}", name.0));
                    }
                }
            }
        }
        drop(data);
        // Nothing was assigned by the group: there is nothing to give back.
        let _ = self.consumer.unassign();
        match failed {
            Some(reason) if records.is_empty() => Err(KafkaError::Broker(reason)),
            _ => Ok(records),
        }
    }

    /// The one record at a position, if this cluster still has it.
    fn record(&self, position: &Position) -> Result<Fetched, KafkaError> {
        let name: TopicPartition = (position.partition.topic.to_string(), position.partition.partition);
        if let Some(cluster) = self.consumer.client().fetch_cluster_id(Duration::from_millis(RECORD_WAIT_MS as u64))
            && cluster != *position.partition.cluster
        {
            return Ok(Fetched::Elsewhere("the connector reads another cluster now".to_owned()));
        }
        if !self.topics.iter().any(|(topic, partitions)| *topic == name.0 && name.1 < *partitions) {
            return Ok(Fetched::Elsewhere(format!("the topic `{}` is not there, or may not be seen", name.0)));
        }
        let (firsts, ends) = self.extents(std::slice::from_ref(&name))?;
        let (Some(first), Some(end)) = (firsts.get(&name).copied(), ends.get(&name).copied()) else {
            return Ok(Fetched::Unreachable(format!("the leader of {}/{} does not answer; try again", name.0, name.1)));
        };
        if position.offset < first {
            let first_time: Option<Timestamp> = match end > first {
                true => self.read(&BTreeMap::from([(name, first)]), 1, RECORD_WAIT_MS)?.first().and_then(|record| record.timestamp),
                false => None,
            };
            return Ok(Fetched::Removed { first_offset: first, first_time });
        }
        if position.offset >= end {
            return Ok(Fetched::Elsewhere(format!("its log ends at offset {end}; it was made anew")));
        }
        let found = self.read(&BTreeMap::from([(name, position.offset)]), 1, RECORD_WAIT_MS)?;
        let found = found.into_iter().find(|record| record.offset == position.offset);
        Ok(found.map_or(Fetched::Absent, |record| Fetched::Record(Box::new(record))))
    }
}

impl Drop for Onlooker {
    fn drop(&mut self) {
        self.consumer.context().close();
        self.consumer.poll(Duration::ZERO);
    }
}

/// Reads one record again with a client of its own. Blocks for some seconds at most; longer when brokers do not answer.
pub fn fetch(options: &Options, source: Option<&SourceOptions>, position: &Position) -> Fetched {
    let found = Onlooker::connect(options, source).and_then(|onlooker| onlooker.record(position));
    found.unwrap_or_else(|error| {
        let brokers = source.and_then(|source| source.brokers.as_deref()).unwrap_or(&options.brokers);
        Fetched::Unreachable(format!("{brokers} did not give the record: {error}; try again, or see the connector's state"))
    })
}

fn fetched((topic, partition): &TopicPartition, delivery: &super::native::Delivery<'_>) -> FetchedRecord {
    let mut headers = Vec::new();
    delivery.for_each_header(|name, value| headers.push((name.to_owned(), value.map(<[u8]>::to_vec))));
    FetchedRecord {
        topic: topic.clone(),
        partition: *partition,
        offset: delivery.offset(),
        timestamp: delivery.timestamp(),
        key: delivery.key().map(<[u8]>::to_vec),
        value: delivery.value().map(<[u8]>::to_vec),
        headers,
    }
}
