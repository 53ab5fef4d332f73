//! Partitions come and go: answers to the group, and where each partition is read from.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rdkafka::consumer::Consumer;
use rdkafka::error::{KafkaError as NativeError, KafkaResult};
use rdkafka::types::RDKafkaErrorCode;
use rdkafka::{Offset, TopicPartitionList};

use super::Reader;
use super::packer::Owned;
use super::placement::{Extent, Placement, place};
use super::reporting::PLACING;
use crate::clock;
use crate::kafka::context::TopicPartition;
use crate::kafka::in_process;
use crate::kafka::native::{Admin, TopicDescription, TopicId};
use crate::kafka::start::Start;
use crate::kafka::trouble::class;
use crate::model::ports::{AssignedPartition, FeedMessage, StoredOffset};
use crate::model::position::PartitionKey;

/// How long one question to the cluster may take.
pub(super) const ASK_WAIT: Duration = Duration::from_secs(2);
const RETRY_MS: i64 = 500;
/// Looks at a partition after which it is read though its topic's id could not be learned.
const LOOKS_FOR_AN_ID: u8 = 4;
const NO_TOPIC_IDS: &str = "the cluster tells no topic ids (Kafka before 2.8, or it may not be asked): a topic that is deleted and made anew \
     is noticed only when it ends below what was read";
/// Timestamps with a meaning of their own in Kafka's ListOffsets.
const NEWEST: i64 = -1;
const OLDEST: i64 = -2;

/// A partition that is ours but not read yet.
#[derive(Clone, Debug)]
pub(super) struct Unplaced {
    pub(super) name: TopicPartition,
    /// Where we were reading it; `None` to go on where the data stands.
    known: Option<StoredOffset>,
    /// Times it was looked where it starts.
    looks: u8,
    /// The log was seen to end below our offset. Believed at the second look: a leader just elected may lag behind itself.
    ended_below: bool,
    /// Its key when we were reading it already and it is placed anew.
    before: Option<PartitionKey>,
}

/// A partition and the decision where it starts.
struct Placed {
    unplaced: Unplaced,
    topic_id: Option<TopicId>,
    placement: Placement,
    end_offset: i64,
}

impl Reader {
    /// The group gave us partitions.
    pub(super) fn assigned(&mut self, partitions: Vec<TopicPartition>) {
        self.seal();
        self.keep_positions();
        for name in partitions {
            self.unplaced.retain(|unplaced| unplaced.name != name);
            self.unplaced.push(Unplaced { name, known: None, looks: 0, ended_below: false, before: None });
        }
        // Answered at once: until then librdkafka reads nothing of what we keep. The new ones follow, each when its start is known.
        if let Err(error) = self.consumer.incremental_assign(&TopicPartitionList::new()) {
            tracing::warn!(target: "kafka", connector = %self.config.connector, %error, "assignment not answered");
        }
        self.group_is_well();
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

    /// The broker does not have the offset we are at, or has another topic under the name: the partition is placed anew, and
    /// a gap counted.
    pub(super) fn place_again(&mut self, topic: &str, partition: i32) {
        self.seal();
        self.data.discard_if(|of, number| of == topic && number == partition);
        let Some(owned) = self.packer.remove(topic, partition) else { return };
        let mut list = TopicPartitionList::new();
        list.add_partition(topic, partition);
        if let Err(error) = self.consumer.incremental_unassign(&list) {
            tracing::warn!(target: "kafka", connector = %self.config.connector, %error, "partition not taken out to be placed anew");
        }
        let Owned { key, next_offset, topic_id, .. } = owned;
        let known = StoredOffset { incarnation: key.incarnation, next_offset, topic_id };
        let name = (topic.to_owned(), partition);
        self.unplaced.push(Unplaced { name, known: Some(known), looks: 0, ended_below: false, before: Some(key) });
        self.place_at = clock::now();
    }

    pub(super) fn tells_topic_ids(&self) -> bool {
        self.cluster.as_deref().is_none_or(in_process::has_controller)
    }

    /// Ids of the topics that wait for their place; `None` when the cluster does not answer.
    fn topic_ids(&self) -> Option<BTreeMap<String, TopicDescription>> {
        if !self.tells_topic_ids() {
            return None;
        }
        let topics = self.unplaced.iter().map(|unplaced| unplaced.name.0.clone()).collect();
        Admin(&self.consumer).topics(&topics, false, ASK_WAIT).topics(ASK_WAIT)
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
            self.not_placed(code, &format!("offsets cannot be looked up: {error}"));
        }
    }

    /// A partition that was stopped before may lose its forwarding when the stop completes, after we set it.
    fn forward_silent(&self) {
        for owned in self.packer.owned().iter().filter(|owned| !owned.heard) {
            self.data.forward(&owned.key.topic, owned.key.partition);
        }
    }

    fn try_place(&mut self) -> KafkaResult<()> {
        let Some(cluster) = self.cluster_id() else { return Err(NativeError::MetadataFetch(RDKafkaErrorCode::OperationTimedOut)) };
        self.learn_topics()?;
        // Ids first: a topic made anew between the two questions is then noticed by its id later.
        let topics = self.topic_ids();
        let lows = self.ask(OLDEST)?;
        let highs = self.ask(NEWEST)?;
        let starts = match self.config.source.start.instant(self.started_at) {
            Some(instant) => self.ask(instant.millis())?,
            None => Answers::default(),
        };
        let mut placed = Vec::new();
        for mut unplaced in std::mem::take(&mut self.unplaced) {
            unplaced.looks += 1;
            let extent = lows.of(&unplaced.name).zip(highs.of(&unplaced.name)).map(|(low, high)| Extent { low, high });
            let topic = topics.as_ref().and_then(|topics| topics.get(&unplaced.name.0));
            let at_time = starts.of(&unplaced.name);
            match extent.map(|extent| self.placement(&cluster, &mut unplaced, topic, extent, at_time)) {
                Some(Some((topic_id, placement, end_offset))) => placed.push(Placed { unplaced, topic_id, placement, end_offset }),
                _ => self.unplaced.push(unplaced),
            }
        }
        let refused = [lows.refused, highs.refused, starts.refused].into_iter().flatten().next();
        self.begin(&cluster, placed)?;
        match refused {
            Some(((topic, partition), code)) if !self.unplaced.is_empty() => {
                self.not_placed(code, &format!("{topic} partition {partition}: offsets cannot be looked up: {code}"));
            }
            _ => {}
        }
        Ok(())
    }

    /// Where a partition starts; `None` while that has to be looked at again.
    fn placement(
        &self,
        cluster: &str,
        unplaced: &mut Unplaced,
        topic: Option<&TopicDescription>,
        extent: Extent,
        at_time: Option<i64>,
    ) -> Option<(Option<TopicId>, Placement, i64)> {
        let stored = unplaced.known.clone().or_else(|| self.stored(cluster, &unplaced.name));
        // Where an id is known, it is worth some patience to compare.
        let compares = stored.as_ref().is_some_and(|stored| stored.topic_id.is_some());
        if topic.is_none() && compares && unplaced.looks < LOOKS_FOR_AN_ID {
            return None;
        }
        let topic_id = topic.and_then(|topic| topic.id.clone());
        let same_topic = stored.as_ref().and_then(|stored| Some(stored.topic_id.as_ref()? == topic_id.as_ref()?));
        let fresh = self.fresh_start(&unplaced.name, extent, at_time);
        let placement = place(stored.map(|stored| (stored.incarnation, stored.next_offset)), same_topic, extent, fresh);
        if placement.is_cut && !std::mem::replace(&mut unplaced.ended_below, true) {
            return None;
        }
        Some((topic_id, placement, extent.high))
    }

    fn stored(&self, cluster: &str, (topic, partition): &TopicPartition) -> Option<StoredOffset> {
        self.offsets.stored(&self.config.connector, cluster, topic, *partition)
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
        let (mut assigned, mut revoked) = (Vec::new(), Vec::new());
        let mut notices = Vec::new();
        for Placed { unplaced: Unplaced { name, before, .. }, topic_id, placement, end_offset } in placed {
            let incarnation = placement.incarnation;
            let key = PartitionKey { cluster: Arc::clone(cluster), topic: Arc::from(name.0.as_str()), incarnation, partition: name.1 };
            notices.extend(said_of(&key, placement));
            if topic_id.is_none() && self.tells_topic_ids() && !std::mem::replace(&mut self.told_no_topic_ids, true) {
                notices.push((class::NO_TOPIC_IDS, NO_TOPIC_IDS.to_owned()));
            }
            self.packer.add(key.clone(), topic_id.clone(), placement);
            // A mere gap changes nothing for whoever keeps the books: the next batch says what was missed.
            if before.as_ref() != Some(&key) {
                revoked.extend(before);
                assigned.push(AssignedPartition { key, start_offset: placement.from_offset, end_offset, topic_id });
            }
        }
        if !revoked.is_empty() {
            self.outbox.push_back(FeedMessage::Revoked(revoked));
        }
        if !assigned.is_empty() {
            self.outbox.push_back(FeedMessage::Assigned(assigned));
        }
        notices.into_iter().for_each(|(class, message)| self.notice(class, message));
        self.packer.tell_gaps(clock::now());
        self.group_is_well();
        if self.unplaced.is_empty() {
            self.placing_failed = 0;
            self.over(|_, subject| subject == PLACING);
        }
        Ok(())
    }

    /// Nothing of it is seen before this thread looks: the partitions are taken in first.
    fn fetch(&mut self, placed: &[Placed]) -> KafkaResult<()> {
        let mut list = TopicPartitionList::with_capacity(placed.len());
        for Placed { unplaced: Unplaced { name: (topic, partition), .. }, placement, .. } in placed {
            list.add_partition_offset(topic, *partition, Offset::Offset(placement.fetch_offset))?;
            self.data.forward(topic, *partition);
        }
        // A rebalance may be under way that nobody told us of yet: this call answers it, and what it has paused goes on.
        self.keep_positions();
        self.consumer.incremental_assign(&list)?;
        // A pause from before it was taken away would last; whoever must wait is paused before anything is read.
        self.consumer.resume(&list)
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

    /// Asks the partitions' leaders for the offset at a time, or at [`OLDEST`] or [`NEWEST`].
    fn ask(&self, timestamp: i64) -> KafkaResult<Answers> {
        let mut list = TopicPartitionList::with_capacity(self.unplaced.len());
        for Unplaced { name: (topic, partition), .. } in &self.unplaced {
            list.add_partition_offset(topic, *partition, Offset::from_raw(timestamp))?;
        }
        let mut answers = Answers::default();
        for answer in self.consumer.offsets_for_times(list, ASK_WAIT)?.elements() {
            let name = (answer.topic().to_owned(), answer.partition());
            match (answer.error(), answer.offset()) {
                (Ok(()), Offset::Offset(offset)) => drop(answers.offsets.insert(name, offset)),
                (Ok(()), _) => {}
                (Err(error), _) => answers.refused = Some((name, error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Fail))),
            }
        }
        Ok(answers)
    }
}

/// What leaders said of offsets; partitions without an answer are absent.
#[derive(Debug, Default)]
struct Answers {
    offsets: BTreeMap<TopicPartition, i64>,
    /// One that could not be answered, and why.
    refused: Option<(TopicPartition, RDKafkaErrorCode)>,
}

impl Answers {
    fn of(&self, name: &TopicPartition) -> Option<i64> {
        self.offsets.get(name).copied()
    }
}

/// What a person must know of a placement: it began and ended while nobody looked.
fn said_of(key: &PartitionKey, placement: Placement) -> Option<(&'static str, String)> {
    let PartitionKey { topic, partition, .. } = key;
    let Placement { missed, from_offset, fetch_offset, .. } = placement;
    if missed > 0 {
        let message = format!(
            "{topic} partition {partition}: {missed} offsets ({from_offset} to {}) were removed by retention before they were read; \
             counted as missed. Longer retention, or less time without whydunit, prevents it",
            fetch_offset.saturating_sub(1)
        );
        return Some((class::OFFSET_OUT_OF_RANGE, message));
    }
    if placement.is_other_topic {
        let message = format!("{topic} partition {partition}: the topic was deleted and made anew; all of it is read, as new data");
        return Some((class::TOPIC_MADE_ANEW, message));
    }
    placement.is_cut.then(|| {
        let message = format!(
            "{topic} partition {partition}: its log ends below what was read already, at {fetch_offset}: the broker lost records, as after an \
             unclean election; what comes now takes their offsets and is read as new data"
        );
        (class::LOG_CUT, message)
    })
}
