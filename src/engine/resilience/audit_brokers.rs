//! Do our positions agree with what the brokers have?

use std::collections::BTreeMap;

use super::audit::{hole, hole_at, told};
use crate::model::dead_letter::REPLAY;
use crate::model::ledger::LedgerRow;
use crate::model::verify::{BrokerFacts, Hole, HoleKind, PartitionVerdict, Verdict};

/// Adds to a verdict what the brokers of one connector say of its partitions.
pub fn compare(verdict: &mut Verdict, facts: &BrokerFacts) {
    if let Some(trouble) = &facts.trouble {
        let found = format!("connector {}: the brokers {} do not answer: {trouble}", facts.connector, facts.brokers);
        let silent = Hole { count: 1, connector: Some(facts.connector.clone()), found, ..hole(HoleKind::BrokerSilent) };
        verdict.holes.push(told(
            silent,
            "positions could not be compared",
            "try again when they answer; `whydunit check --connect` says why",
        ));
        verdict.closes = false;
        return;
    }
    let newest = newest(&verdict.partitions, &facts.connector);
    let (mut holes, mut notes) = (Vec::new(), Vec::new());
    for partition in
        verdict.partitions.iter_mut().filter(|partition| newest.get(&place(&partition.row)) == Some(&partition.row.partition.incarnation))
    {
        match look(&partition.row, facts) {
            Look::Lag(lag) => partition.lag = Some(lag),
            Look::Hole(found) => holes.push(found),
            Look::Note(note) => notes.push(note),
        }
    }
    verdict.holes.extend(holes);
    verdict.notes.extend(notes);
    verdict.closes = verdict.holes.is_empty();
}

/// Connector, topic and partition: what has lives one after the other.
type Place = (String, String, i32);

fn place(row: &LedgerRow) -> Place {
    (row.connector.clone(), row.partition.topic.to_string(), row.partition.partition)
}

/// The newest life of each partition: earlier ones are over, and no broker knows them.
fn newest(partitions: &[PartitionVerdict], connector: &str) -> BTreeMap<Place, u32> {
    let mut newest = BTreeMap::new();
    for PartitionVerdict { row, .. } in partitions.iter().filter(|partition| partition.row.connector == connector && connector != REPLAY) {
        let life = newest.entry(place(row)).or_insert(row.partition.incarnation);
        *life = (*life).max(row.partition.incarnation);
    }
    newest
}

enum Look {
    Lag(u64),
    Hole(Hole),
    Note(String),
}

fn look(row: &LedgerRow, facts: &BrokerFacts) -> Look {
    let (topic, partition) = (&*row.partition.topic, row.partition.partition);
    let name = format!("connector {}, topic {topic}, partition {partition}", row.connector);
    if let Some(cluster) = facts.cluster.as_deref().filter(|cluster| *cluster != &*row.partition.cluster) {
        let found = format!("these brokers are cluster {cluster}, and the position belongs to cluster {}", row.partition.cluster);
        return Look::Hole(told(
            hole_at(HoleKind::OtherCluster, row, 1, &found),
            "the connector was pointed at another cluster: it reads that one from its `start`, with books of its own",
            "if it was not meant, set the brokers back; if it was, nothing",
        ));
    }
    let Some(extent) = facts.extents.iter().find(|extent| extent.topic == topic && extent.partition == partition) else {
        return Look::Hole(told(
            hole_at(HoleKind::TopicGone, row, 1, "the brokers have no such partition"),
            "the topic was deleted, or may not be seen with this login; what was read of it is kept",
            "make the topic again or remove it from the connector; `whydunit check --connect` names missing permissions",
        ));
    };
    let id = facts.topic_ids.iter().find(|(name, _)| name == topic).map(|(_, id)| id.as_str());
    if let (Some(ours), Some(theirs)) = (row.topic_id.as_deref(), id)
        && ours != theirs
    {
        return Look::Note(format!(
            "{name}: the topic was made anew (id {theirs}, read under {ours}): it is read from its beginning as new data"
        ));
    }
    if extent.end < row.next_offset {
        let count = row.next_offset.abs_diff(extent.end);
        let found = format!(
            "the next offset to read is {}, and the topic ends at {}: {count} offsets are gone from it",
            row.next_offset, extent.end
        );
        return Look::Hole(told(
            hole_at(HoleKind::BeyondEnd, row, count, &found),
            "the brokers lost records that we have read (an unclean leader election, a restored cluster), or the topic was made anew; \
             what takes the lost offsets is read as a new life of the topic",
            "nothing to do for what is stored; look for what the producers believe was kept",
        ));
    }
    if extent.first > row.next_offset {
        let count = extent.first.abs_diff(row.next_offset);
        let found = format!(
            "the next offset to read is {}, and the oldest record left is {}: {count} offsets were removed before they were read",
            row.next_offset, extent.first
        );
        let mut hole = hole_at(HoleKind::RemovedUnread, row, count, &found);
        hole.offsets = Some((row.next_offset, extent.first));
        return Look::Hole(told(
            hole,
            "whydunit was stopped or behind for longer than the topic's retention; they will be booked as missed",
            "start whydunit, or raise the topic's retention.ms; what is removed cannot be read any more",
        ));
    }
    Look::Lag(row.next_offset.abs_diff(extent.end))
}
