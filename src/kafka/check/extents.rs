//! What a cluster has of partitions that were read: to compare our positions with.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaResult;
use rdkafka::{Offset, TopicPartitionList};

use super::{ASK_WAIT, first_answer};
use crate::kafka::client::base_config;
use crate::kafka::context::{Context, TopicPartition};
use crate::kafka::in_process::has_controller;
use crate::kafka::native::Admin;
use crate::kafka::{Options, SourceOptions};
use crate::model::verify::{BrokerExtent, BrokerFacts};

/// First and end offsets, topic ids and the cluster's id, as a connector's brokers tell them. Joins no group. Blocks for some
/// seconds at most; what cannot be learned is said in `trouble`.
pub fn extents(connector: &str, options: &Options, source: Option<&SourceOptions>, partitions: &BTreeSet<TopicPartition>) -> BrokerFacts {
    let brokers = source.and_then(|source| source.brokers.as_ref()).unwrap_or(&options.brokers).clone();
    let mut facts = BrokerFacts { connector: connector.to_owned(), brokers, ..BrokerFacts::default() };
    if let Err(error) = learn(options, source, partitions, &mut facts) {
        facts.trouble = Some(crate::kafka::KafkaError::from(error).to_string());
    }
    facts
}

fn learn(options: &Options, source: Option<&SourceOptions>, wanted: &BTreeSet<TopicPartition>, facts: &mut BrokerFacts) -> KafkaResult<()> {
    let mut config = base_config(options, source);
    config.set("group.id", "whydunit-verify").set("enable.auto.commit", "false").set("isolation.level", "read_committed");
    let consumer: Arc<BaseConsumer<Context>> = Arc::new(config.create_with_context(Context::default())?);
    let metadata = first_answer(&consumer).map_err(|(error, _)| error)?;
    facts.cluster = consumer.client().fetch_cluster_id(ASK_WAIT);
    let mut there: BTreeSet<TopicPartition> = BTreeSet::new();
    for topic in metadata.topics() {
        there.extend(topic.partitions().iter().map(|partition| (topic.name().to_owned(), partition.id())));
    }
    let asked: Vec<&TopicPartition> = wanted.iter().filter(|partition| there.contains(*partition)).collect();
    if facts.cluster.as_deref().is_none_or(has_controller) {
        let topics = asked.iter().map(|(topic, _)| topic.clone()).collect();
        let described = Admin(&consumer).topics(&topics, false, ASK_WAIT).topics(ASK_WAIT).unwrap_or_default();
        facts.topic_ids = described.into_iter().filter_map(|(name, topic)| Some((name, topic.id?.to_string()))).collect();
    }
    let (firsts, ends) = (ask(&consumer, &asked, Offset::Beginning)?, ask(&consumer, &asked, Offset::End)?);
    for (topic, partition) in asked {
        let of = |answers: &[(TopicPartition, i64)]| {
            answers.iter().find(|((name, number), _)| name == topic && number == partition).map(|(_, offset)| *offset)
        };
        if let Some((first, end)) = of(&firsts).zip(of(&ends)) {
            facts.extents.push(BrokerExtent { topic: topic.clone(), partition: *partition, first, end });
        }
    }
    consumer.context().close();
    consumer.poll(Duration::ZERO);
    Ok(())
}

/// Offsets of partitions at the beginning or end of their logs; those whose leaders do not tell are left out.
pub(in crate::kafka) fn ask(
    consumer: &BaseConsumer<Context>,
    partitions: &[&TopicPartition],
    at: Offset,
) -> KafkaResult<Vec<(TopicPartition, i64)>> {
    if partitions.is_empty() {
        return Ok(Vec::new());
    }
    let mut list = TopicPartitionList::with_capacity(partitions.len());
    for (topic, partition) in partitions {
        list.add_partition_offset(topic, *partition, at)?;
    }
    let answers = consumer.offsets_for_times(list, ASK_WAIT)?;
    let found = answers.elements().into_iter().filter(|answer| answer.error().is_ok()).filter_map(|answer| match answer.offset() {
        Offset::Offset(offset) => Some(((answer.topic().to_owned(), answer.partition()), offset)),
        _ => None,
    });
    Ok(found.collect())
}
