//! Partitions come and go: answers to the group, and where each partition is read from.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rdkafka::consumer::Consumer;
use rdkafka::error::KafkaResult;
use rdkafka::types::RDKafkaErrorCode;
use rdkafka::{Offset, TopicPartitionList};

use super::consumer::Reader;
use super::context::TopicPartition;
use super::native::TopicId;
use super::packer::Owned;
use super::placement::{Extent, Placement, ends_below, place, place_anew};
use super::start::Start;
use super::trouble::class;
use crate::clock;
use crate::model::ports::{AssignedPartition, FeedMessage, FeedTrouble};
use crate::model::position::PartitionKey;

/// How long one question to the cluster may take.
const ASK_WAIT: Duration = Duration::from_secs(2);
const RETRY_MS: i64 = 500;
/// Timestamps with a meaning of their own in Kafka's ListOffsets.
const NEWEST: i64 = -1;
const OLDEST: i64 = -2;

/// A partition that is ours but not read yet.
#[derive(Clone, Debug)]
pub(super) struct Unplaced {
    pub(super) name: TopicPartition,
    /// (incarnation, next offset) we are to go on from; `None` when it was never read.
    stored: Option<(u32, i64)>,
    /// The log was seen to end below our offset. Believed at the second look: a leader just elected may lag behind itself.
    ended_below: bool,
    /// Its key when we were reading it already and it is placed anew.
    before: Option<PartitionKey>,
}

/// A partition and the decision where it starts.
struct Placed {
    unplaced: Unplaced,
    id: Option<TopicId>,
    placement: Placement,
    end_offset: i64,
}

impl Reader {
    /// The group gave us partitions. They are answered for once it is known where to start.
    pub(super) fn assigned(&mut self, partitions: Vec<TopicPartition>) {
        self.seal();
        self.keep_positions();
        for name in partitions {
            let stored = self.offsets.next_offset(&self.config.connector, &name.0, name.1);
            self.unplaced.retain(|unplaced| unplaced.name != name);
            self.unplaced.push(Unplaced { name, stored, ended_below: false, before: None });
        }
        if self.unplaced.is_empty() {
            // An empty assignment must be answered too.
            let _ = self.consumer.incremental_assign(&TopicPartitionList::new());
        }
        self.place_at = clock::now();
    }

    /// The group takes partitions away. What was packed of them goes first; what is still queued of them is dropped.
    pub(super) fn revoked(&mut self, partitions: &[TopicPartition]) {
        self.seal();
        // Partitions that wait for their place are not in librdkafka's assignment, and unassigning them would be refused.
        let waiting: Vec<Unplaced> = self.unplaced.extract_if(.., |unplaced| partitions.contains(&unplaced.name)).collect();
        let mut gone: Vec<PartitionKey> = waiting.iter().filter_map(|unplaced| unplaced.before.clone()).collect();
        let mut list = TopicPartitionList::with_capacity(partitions.len());
        for name in partitions.iter().filter(|name| waiting.iter().all(|unplaced| unplaced.name != **name)) {
            list.add_partition(&name.0, name.1);
            gone.extend(self.packer.remove(&name.0, name.1).map(|owned| owned.key));
        }
        self.keep_positions();
        if let Err(error) = self.consumer.incremental_unassign(&list) {
            tracing::warn!(target: "kafka", connector = %self.config.connector, %error, "revoked partitions not given back");
        }
        if !gone.is_empty() {
            self.outbox.push_back(FeedMessage::Revoked(gone));
        }
    }

    /// At a rebalance librdkafka has paused what we keep, and would go on one record too far where it has told an end: it is
    /// told our positions instead, before the answer lets it go on.
    fn keep_positions(&self) {
        let mut ended = TopicPartitionList::new();
        for owned in self.packer.owned().iter().filter(|owned| owned.at_end) {
            // Offsets are never negative here, so the list takes them.
            let _ = ended.add_partition_offset(&owned.key.topic, owned.key.partition, Offset::Offset(owned.next_offset));
        }
        if ended.count() > 0
            && let Err(error) = self.consumer.seek_partitions(ended, Duration::ZERO)
        {
            // What is skipped shows as a jump behind the end, which is read twice.
            tracing::debug!(target: "kafka", connector = %self.config.connector, %error, "positions not kept over a rebalance");
        }
    }

    /// The broker does not have the offset we are at, or has another topic under the name: the partition is placed anew, and
    /// a gap counted.
    pub(super) fn place_again(&mut self, topic: &str, partition: i32) {
        self.seal();
        let Some(owned) = self.packer.remove(topic, partition) else { return };
        let mut list = TopicPartitionList::new();
        list.add_partition(topic, partition);
        if let Err(error) = self.consumer.incremental_unassign(&list) {
            tracing::warn!(target: "kafka", connector = %self.config.connector, %error, "partition not taken out to be placed anew");
        }
        let stored = Some((owned.key.incarnation, owned.next_offset));
        self.unplaced.push(Unplaced { name: (topic.to_owned(), partition), stored, ended_below: false, before: Some(owned.key) });
        self.place_at = clock::now();
    }

    /// Looks now and then whether topics were deleted and made anew under our feet: a partition that then holds more records than
    /// we had read would look as if nothing had happened.
    pub(super) fn watch_lives(&mut self) {
        let now = clock::now();
        if now < self.lives_at || self.held {
            return;
        }
        self.lives_at = now.plus_millis(i64::from(self.config.options.metadata_refresh_ms));
        let topics = self.packer.owned().iter().map(|owned| owned.key.topic.to_string()).collect();
        let ids = self.data.topic_ids(&topics, ASK_WAIT);
        let over = |owned: &&Owned| {
            let name = (owned.key.topic.to_string(), owned.key.partition);
            self.lives.is_over(&name, ids.get(&name.0), owned.key.incarnation)
        };
        let over: Vec<PartitionKey> = self.packer.owned().iter().filter(over).map(|owned| owned.key.clone()).collect();
        for key in over {
            self.place_again(&key.topic, key.partition);
        }
    }

    /// Finds out where the waiting partitions start and begins to read them; what cannot be found out now is tried again.
    pub(super) fn place(&mut self) {
        self.forward_silent();
        let now = clock::now();
        if self.unplaced.is_empty() || now < self.place_at {
            return;
        }
        self.place_at = now.plus_millis(RETRY_MS);
        if let Err(error) = self.try_place() {
            let code = error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Fail);
            self.trouble(code, &format!("offsets cannot be looked up: {error}"), "placing");
        }
    }

    /// A partition that was stopped before may lose its forwarding when the stop completes, after we set it.
    fn forward_silent(&self) {
        for owned in self.packer.owned().iter().filter(|owned| !owned.heard) {
            self.data.forward(&owned.key.topic, owned.key.partition);
        }
    }

    fn try_place(&mut self) -> KafkaResult<()> {
        let Some(cluster) = self.cluster_id() else { return Ok(()) };
        self.learn_topics()?;
        let lows = self.ask(OLDEST)?;
        let highs = self.ask(NEWEST)?;
        let starts = match self.config.source.start.instant(self.started_at) {
            Some(instant) => self.ask(instant.millis())?,
            None => BTreeMap::new(),
        };
        let topics = self.unplaced.iter().map(|unplaced| unplaced.name.0.clone()).collect();
        let ids = self.data.topic_ids(&topics, ASK_WAIT);
        let mut placed = Vec::new();
        for mut unplaced in std::mem::take(&mut self.unplaced) {
            let (Some(low), Some(high)) = (lows.get(&unplaced.name), highs.get(&unplaced.name)) else {
                self.unplaced.push(unplaced);
                continue;
            };
            let extent = Extent { low: *low, high: *high };
            let id = ids.get(&unplaced.name.0);
            let is_over = |(incarnation, _)| self.lives.is_over(&unplaced.name, id, incarnation);
            let over = unplaced.stored.filter(|stored| is_over(*stored));
            if over.is_none() && unplaced.stored.is_some_and(|(_, next)| ends_below(extent, next)) && !unplaced.ended_below {
                unplaced.ended_below = true;
                self.unplaced.push(unplaced);
                continue;
            }
            let fresh = self.fresh_start(&unplaced.name, extent, starts.get(&unplaced.name).copied());
            let placement = match over {
                Some((incarnation, _)) => place_anew(incarnation, extent),
                None => place(unplaced.stored, extent, fresh),
            };
            placed.push(Placed { id: id.copied(), unplaced, placement, end_offset: extent.high });
        }
        self.begin(&cluster, placed)
    }

    /// Where a partition without a stored offset starts.
    fn fresh_start(&self, name: &TopicPartition, extent: Extent, at_time: Option<i64>) -> i64 {
        let is_new = self.known.as_ref().is_some_and(|known| known.get(&name.0).is_none_or(|count| name.1 >= *count));
        match self.config.source.start {
            // Made after we started: all of it is from after our start.
            Start::Latest if is_new => extent.low,
            Start::Latest => extent.high,
            Start::Earliest => extent.low,
            // No record that young yet: at the end.
            Start::At(_) | Start::AgoSeconds(_) => at_time.unwrap_or(extent.high),
        }
    }

    /// Lets librdkafka fetch the placed partitions and takes them in. Refused, they wait for another try.
    fn begin(&mut self, cluster: &Arc<str>, placed: Vec<Placed>) -> KafkaResult<()> {
        if placed.is_empty() {
            return Ok(());
        }
        self.seal();
        if let Err(error) = self.fetch(&placed) {
            self.unplaced.extend(placed.into_iter().map(|placed| placed.unplaced));
            return Err(error);
        }
        let (mut assigned, mut revoked, mut gaps) = (Vec::new(), Vec::new(), Vec::new());
        for Placed { unplaced: Unplaced { name, before, .. }, id, placement, end_offset } in placed {
            let incarnation = placement.incarnation;
            let key = PartitionKey { cluster: Arc::clone(cluster), topic: Arc::from(name.0.as_str()), incarnation, partition: name.1 };
            if let Some(id) = id {
                self.lives.placed(name, id, incarnation);
            }
            gaps.extend(gap(&key, placement));
            self.packer.add(key.clone(), placement);
            // A mere gap changes nothing for whoever keeps the books: the next batch says what was missed.
            if before.as_ref() != Some(&key) {
                revoked.extend(before);
                assigned.push(AssignedPartition { key, start_offset: placement.from_offset, end_offset });
            }
        }
        if !revoked.is_empty() {
            self.outbox.push_back(FeedMessage::Revoked(revoked));
        }
        if !assigned.is_empty() {
            self.outbox.push_back(FeedMessage::Assigned(assigned));
        }
        for gap in gaps {
            self.outbox.push_back(FeedMessage::Trouble(gap.clone()));
            self.outbox.push_back(FeedMessage::Trouble(FeedTrouble { recovered: true, ..gap }));
        }
        self.packer.tell_gaps(clock::now());
        self.over(|trouble, subject| trouble.class == class::NOT_AUTHORIZED && subject.is_empty() || subject == "placing");
        Ok(())
    }

    /// Nothing of it is seen before this thread looks: the partitions are taken in first.
    fn fetch(&self, placed: &[Placed]) -> KafkaResult<()> {
        let mut list = TopicPartitionList::with_capacity(placed.len());
        for Placed { unplaced: Unplaced { name: (topic, partition), .. }, placement, .. } in placed {
            list.add_partition_offset(topic, *partition, Offset::Offset(placement.fetch_offset))?;
            self.data.forward(topic, *partition);
        }
        self.consumer.incremental_assign(&list)?;
        if self.held
            && let Err(error) = self.set_held(&list, true)
        {
            // They are fetched, within librdkafka's bounds, but not taken while we hold.
            tracing::warn!(target: "kafka", connector = %self.config.connector, %error, "new partitions not paused");
        }
        Ok(())
    }

    /// The cluster's id; asked once, since the answer cannot change under a connected client.
    fn cluster_id(&mut self) -> Option<Arc<str>> {
        if self.cluster.is_none() {
            self.cluster = self.consumer.client().fetch_cluster_id(ASK_WAIT).map(Arc::from);
        }
        self.cluster.clone()
    }

    fn learn_topics(&mut self) -> KafkaResult<()> {
        if self.known.is_none() {
            let metadata = self.consumer.fetch_metadata(None, ASK_WAIT)?;
            let counts = metadata
                .topics()
                .iter()
                .map(|topic| (topic.name().to_owned(), i32::try_from(topic.partitions().len()).unwrap_or(i32::MAX)));
            self.known = Some(counts.collect());
        }
        Ok(())
    }

    /// Asks the partitions' leaders for the offset at a time, or at [`OLDEST`] or [`NEWEST`]. Partitions without an answer are
    /// absent from the result.
    fn ask(&self, timestamp: i64) -> KafkaResult<BTreeMap<TopicPartition, i64>> {
        let mut list = TopicPartitionList::with_capacity(self.unplaced.len());
        for Unplaced { name: (topic, partition), .. } in &self.unplaced {
            list.add_partition_offset(topic, *partition, Offset::from_raw(timestamp))?;
        }
        let answers = self.consumer.offsets_for_times(list, ASK_WAIT)?;
        let found = answers.elements().into_iter().filter(|answer| answer.error().is_ok()).filter_map(|answer| match answer.offset() {
            Offset::Offset(offset) => Some(((answer.topic().to_owned(), answer.partition()), offset)),
            _ => None,
        });
        Ok(found.collect())
    }
}

/// What a person must know of a gap: it began and ended while nobody looked.
fn gap(key: &PartitionKey, placement: Placement) -> Option<FeedTrouble> {
    let Placement { missed, from_offset, fetch_offset, .. } = placement;
    (missed > 0).then(|| FeedTrouble {
        class: class::OFFSET_OUT_OF_RANGE.to_owned(),
        message: format!(
            "{} partition {}: {missed} offsets ({from_offset} to {}) were removed by retention before they were read; counted as missed. \
             Longer retention, or less time without whydunit, prevents it",
            key.topic,
            key.partition,
            fetch_offset.saturating_sub(1)
        ),
        permanent: false,
        recovered: false,
    })
}
