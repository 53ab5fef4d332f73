//! Looks now and then at the topics that are read: made anew, or grown by partitions that nobody gave us.
//!
//! A topic made anew that then holds more records than we had read looks as if nothing had happened: only its id tells. And
//! a topic that grows while the group has lost its coordinator can go unnoticed for ever: librdkafka sees the new
//! partitions when it cannot ask for them, and a static member that then comes back is given its old partitions without
//! a new assignment (KIP-345).

use std::collections::BTreeMap;
use std::time::Duration;

use rdkafka::consumer::Consumer;

use super::Reader;
use super::rebalance::ASK_WAIT;
use crate::clock;
use crate::kafka::native::{Admin, TopicDescription};

/// Partitions a topic has, where that is more than we were given.
type Lacking = BTreeMap<String, usize>;

/// Whether the group must be made to assign anew.
#[derive(Debug, Default)]
pub(super) struct Growth {
    /// What the last look found.
    last: Lacking,
    /// What was looked into: partitions that are still not ours afterwards belong to another member.
    asked: Lacking,
}

impl Growth {
    /// Takes a look's finding; true when it has stood for two looks and was not asked about. One look alone may fall into
    /// a rebalance.
    fn must_ask(&mut self, lacking: Lacking) -> bool {
        let stands = lacking.iter().any(|(topic, count)| self.last.get(topic) == Some(count) && self.asked.get(topic) != Some(count));
        self.last = lacking;
        if stands {
            self.asked.extend(self.last.clone());
        }
        stands
    }
}

impl Reader {
    /// Nobody waits for the answer.
    pub(super) fn watch_topics(&mut self) {
        let now = clock::now();
        if let Some(asked) = &self.topics_asked {
            if let Some(topics) = asked.topics(Duration::ZERO) {
                self.topics_asked = None;
                self.compare_topic_ids(&topics);
                self.compare_partitions(&topics);
            }
            return;
        }
        if now < self.topics_at || !self.tells_topic_ids() || self.packer.owned().is_empty() {
            return;
        }
        self.topics_at = now.plus_millis(i64::from(self.config.options.metadata_refresh_ms));
        let topics = self.packer.owned().iter().map(|owned| owned.key.topic.to_string()).collect();
        self.topics_asked = Some(Admin(&self.consumer).topics(&topics, false, ASK_WAIT));
    }

    fn compare_topic_ids(&mut self, topics: &BTreeMap<String, TopicDescription>) {
        let (mut learned, mut over) = (Vec::new(), Vec::new());
        for (slot, owned) in self.packer.owned().iter().enumerate() {
            match (&owned.topic_id, topics.get(&*owned.key.topic).and_then(|topic| topic.id.as_ref())) {
                (Some(placed), Some(now)) if placed != now => over.push(owned.key.clone()),
                (None, Some(now)) => learned.push((slot, now.clone())),
                _ => {}
            }
        }
        learned.into_iter().for_each(|(slot, id)| self.packer.set_topic_id(slot, id));
        over.into_iter().for_each(|key| self.place_again(&key.topic, key.partition));
    }

    fn compare_partitions(&mut self, topics: &BTreeMap<String, TopicDescription>) {
        let mut ours: BTreeMap<&str, usize> = BTreeMap::new();
        let owned = self.packer.owned().iter().map(|owned| &*owned.key.topic);
        for topic in owned.chain(self.unplaced.iter().map(|unplaced| unplaced.name.0.as_str())) {
            *ours.entry(topic).or_default() += 1;
        }
        let lacking = topics.iter().filter(|(topic, found)| ours.get(topic.as_str()).is_none_or(|ours| *ours < found.partitions));
        let lacking = lacking.map(|(topic, found)| (topic.clone(), found.partitions)).collect();
        if !self.growth.must_ask(lacking) {
            return;
        }
        match Admin(&self.consumer).group(&self.config.group, ASK_WAIT) {
            Ok(group) if group.members == 1 => self.join_anew(),
            // Others share the group: the partitions are theirs.
            Ok(_) => {}
            Err(_) => self.growth.asked.clear(),
        }
    }

    /// Leaves the group, which a restart of a static member does not do, and joins it again: that makes it assign anew.
    fn join_anew(&self) {
        tracing::info!(target: "kafka", connector = %self.config.connector, topics = ?self.growth.last, "partitions nobody gave us: joining the group anew");
        self.consumer.unsubscribe();
        let topics: Vec<&str> = self.config.source.topics.iter().map(String::as_str).collect();
        if let Err(error) = self.consumer.subscribe(&topics) {
            tracing::warn!(target: "kafka", connector = %self.config.connector, %error, "could not join the group anew");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lacking(topics: &[(&str, usize)]) -> Lacking {
        topics.iter().map(|(topic, count)| ((*topic).to_owned(), *count)).collect()
    }

    #[test]
    fn partitions_that_stay_without_a_reader_are_asked_for_once_for_each_growth() {
        let mut growth = Growth::default();
        assert!(!growth.must_ask(lacking(&[("a", 10)])), "a rebalance may be under way");
        assert!(growth.must_ask(lacking(&[("a", 10)])));
        assert!(!growth.must_ask(lacking(&[("a", 10)])), "another member has them");
        assert!(!growth.must_ask(lacking(&[("a", 10), ("b", 2)])));
        assert!(growth.must_ask(lacking(&[("a", 12), ("b", 2)])), "b has stood for two looks");
        assert!(!growth.must_ask(lacking(&[("a", 12), ("b", 2)])), "the group was made to look at all of it");
        assert!(!growth.must_ask(lacking(&[("a", 13)])));
        assert!(growth.must_ask(lacking(&[("a", 13)])));
        assert!(!growth.must_ask(lacking(&[])));
    }
}
