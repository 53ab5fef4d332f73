//! Do the books close? Compares what the database says of itself, and names every hole.

use crate::model::dead_letter::REPLAY;
use crate::model::ledger::{INBOX, LedgerRow};
use crate::model::position::PartitionKey;
use crate::model::verify::{BookFacts, Hole, HoleKind, PartitionFacts, PartitionVerdict, Verdict};

const RESTORE: &str = "put a backup in the database's place (`whydunit restore`) and start again: what came after it is read again from Kafka as far as retention reaches";
const READ_AGAIN: &str = "if Kafka still has these offsets, restore a backup from before them (`whydunit restore`), and they are read again; keep this database for us to look at";
const REPORT: &str = "nothing need be lost, but the sums are wrong: report this with the output of `whydunit verify --json`";

/// Compares every sum with what is stored.
pub fn audit(facts: &BookFacts) -> Verdict {
    let mut verdict = Verdict { epoch: facts.epoch, ..Verdict::default() };
    for text in &facts.damage {
        let hole = Hole { count: 1, found: format!("the database file is damaged: {text}"), ..hole(HoleKind::Damage) };
        verdict.holes.push(told(hole, "rows may be missing or unreadable", RESTORE));
    }
    for partition in &facts.partitions {
        verdict.holes.extend(sums_of(partition));
        verdict.holes.extend(stored_of(partition, facts));
        verdict.records_read += partition.row.sums.records_read;
        verdict.items_decoded += partition.row.sums.items_decoded;
        verdict.partitions.push(in_short(partition));
    }
    let is_named = |hole: &Hole| matches!(hole.kind, HoleKind::EventsLost | HoleKind::EventsUnbooked);
    if !verdict.holes.iter().any(is_named) {
        verdict.holes.extend(events_of_all(facts));
    }
    verdict.holes.extend(folded(facts));
    verdict.holes.extend(services(facts));
    verdict.holes.extend(strangers(facts));
    verdict.holes.extend(kept_sums(facts));
    verdict.notes = notes(facts);
    verdict.closes = verdict.holes.is_empty();
    verdict
}

fn in_short(facts: &PartitionFacts) -> PartitionVerdict {
    PartitionVerdict {
        row: facts.row.clone(),
        duplicates: facts.duplicates,
        events: facts.events,
        letters: facts.letters.whole + facts.letters.partial,
        removed_by_retention: facts.pruned.events + facts.pruned.letters,
        ahead: facts.ahead,
        lag: None,
    }
}

/// A hole of this kind with nothing said yet.
pub(super) const fn hole(kind: HoleKind) -> Hole {
    Hole {
        kind,
        connector: None,
        partition: None,
        offsets: None,
        count: 0,
        found: String::new(),
        meaning: String::new(),
        advice: String::new(),
    }
}

pub(super) fn told(hole: Hole, meaning: &str, advice: &str) -> Hole {
    Hole { meaning: meaning.to_owned(), advice: advice.to_owned(), ..hole }
}

pub(super) fn hole_at(kind: HoleKind, row: &LedgerRow, count: u64, found: &str) -> Hole {
    let PartitionKey { topic, incarnation, partition, .. } = &row.partition;
    let life = if *incarnation > 0 { format!(", life {incarnation} of the topic") } else { String::new() };
    Hole {
        connector: Some(row.connector.clone()),
        partition: Some(row.partition.clone()),
        offsets: Some((row.first_offset, row.next_offset)),
        count,
        found: format!(
            "connector {}, topic {topic}, partition {partition}{life}, offsets {} to {}: {found}",
            row.connector, row.first_offset, row.next_offset
        ),
        ..hole(kind)
    }
}

/// The balances that hold inside one row of the books.
fn sums_of(facts: &PartitionFacts) -> Vec<Hole> {
    let (row, sums, open) = (&facts.row, &facts.row.sums, facts.row.unaccounted());
    let mut holes = Vec::new();
    if open.records != 0 {
        let accounted = sums.records_decoded + sums.records_seen_before + sums.records_rejected;
        let found =
            format!("{} records were read, and {accounted} are accounted for as decoded, seen before or dead-lettered", sums.records_read);
        holes.push(told(
            hole_at(HoleKind::RecordsUnbalanced, row, open.records.unsigned_abs(), &found),
            "the books themselves are wrong, or were changed by another program",
            READ_AGAIN,
        ));
    }
    holes.extend(offsets_of(row, open.offsets));
    if open.items != 0 {
        let accounted = sums.items_stored + sums.items_folded + sums.items_seen_before;
        let found =
            format!("{} items were decoded, and {accounted} are accounted for as stored, folded or seen before", sums.items_decoded);
        holes.push(told(
            hole_at(HoleKind::ItemsUnbalanced, row, open.items.unsigned_abs(), &found),
            "the books themselves are wrong, or were changed by another program",
            READ_AGAIN,
        ));
    }
    if facts.duplicates > sums.items_stored || facts.duplicates_behind > 0 {
        let found = format!(
            "of {} items booked as stored {} are said to be duplicates, and {} are still remembered by an offset that is passed",
            sums.items_stored, facts.duplicates, facts.duplicates_behind
        );
        let count = facts.duplicates.saturating_sub(sums.items_stored) + facts.duplicates_behind;
        holes.push(told(
            hole_at(HoleKind::DuplicatesUnbalanced, row, count, &found),
            "items that name the same event are counted wrongly; the events are there",
            REPORT,
        ));
    }
    holes
}

/// The offsets passed are records, or known to hold none.
fn offsets_of(row: &LedgerRow, open: i64) -> Option<Hole> {
    if open == 0 {
        return None;
    }
    let sums = &row.sums;
    let accounted = sums.records_decoded + sums.records_rejected + sums.absent + sums.missed;
    let passed = open.saturating_add_unsigned(accounted);
    let found = format!(
        "{passed} offsets were passed, and {accounted} are accounted for: {} records decoded, {} dead-lettered, {} offsets absent, {} missed",
        sums.records_decoded, sums.records_rejected, sums.absent, sums.missed
    );
    Some(told(
        hole_at(HoleKind::OffsetsUnbalanced, row, open.unsigned_abs(), &found),
        "records were passed over without being booked, or the position was changed",
        READ_AGAIN,
    ))
}

/// What one partition's books promise, against what is stored of it.
fn stored_of(facts: &PartitionFacts, all: &BookFacts) -> Vec<Hole> {
    let (row, sums, letters) = (&facts.row, &facts.row.sums, &facts.letters);
    let mut holes = Vec::new();
    let is_replayed = letters.replayed + facts.pruned.replayed > 0 || all.replays.under_way > 0;
    let promised = sums.items_stored.saturating_sub(facts.duplicates);
    let there = facts.events + facts.pruned.events;
    if row.connector != REPLAY && !is_replayed && promised != there {
        holes.push(events_hole(facts, promised, there));
    }
    if row.connector == INBOX {
        holes.extend(rows_lost(facts));
    } else if row.connector != REPLAY {
        holes.extend(letters_of(facts));
    }
    if facts.before > 0 {
        let found = format!("{} events or letters lie before the first offset that was read", facts.before);
        holes.push(told(
            hole_at(HoleKind::PositionUnknown, row, facts.before, &found),
            "the books were begun anew over an older database, or changed",
            REPORT,
        ));
    }
    holes.extend(misnamed(&row.connector, &row.partition, facts.misnamed.as_ref()));
    holes
}

/// Ids are derived from cluster, topic, life, partition, offset and item, or from the external id.
fn misnamed(connector: &str, partition: &PartitionKey, misnamed: Option<&(u64, String)>) -> Option<Hole> {
    let (count, first) = misnamed?;
    let PartitionKey { cluster, topic, incarnation, partition: number } = partition;
    let found = format!(
        "connector {connector}, cluster {cluster}, topic {topic}, life {incarnation}, partition {number}: {count} events have an id that is not \
         that of their position, the first is {first}"
    );
    let (connector, partition) = (Some(connector.to_owned()), Some(partition.clone()));
    let hole = Hole { count: *count, found, connector, partition, ..hole(HoleKind::IdMisnamed) };
    Some(told(
        hole,
        "an event was moved to another cluster, topic life or offset, or its id was changed: read again, it would be stored twice",
        REPORT,
    ))
}

fn events_hole(facts: &PartitionFacts, promised: u64, there: u64) -> Hole {
    let place = match facts.unmarked {
        Some((offset, count)) if there < promised => format!("; {count} offsets have neither an event nor a letter, the first is {offset}"),
        _ => String::new(),
    };
    let removed = if facts.pruned.events > 0 { format!(" and {} that retention removed", facts.pruned.events) } else { String::new() };
    let found = format!("the books have {promised} events stored; there are {}{removed}{place}", facts.events);
    let count = promised.abs_diff(there);
    if there < promised {
        let mut hole = hole_at(HoleKind::EventsLost, &facts.row, count, &format!("{count} events are missing: {found}"));
        if let (Some((first, next)), Some((offset, _))) = (hole.offsets, facts.unmarked) {
            hole.offsets = Some((offset.clamp(first, next), next));
        }
        told(hole, "events were deleted, or the position was stored without them", READ_AGAIN)
    } else {
        let hole = hole_at(HoleKind::EventsUnbooked, &facts.row, count, &format!("{count} events are not in the books: {found}"));
        told(hole, "a record was stored twice, or stored and never booked", REPORT)
    }
}

fn rows_lost(facts: &PartitionFacts) -> Option<Hole> {
    let (offset, count) = facts.unmarked?;
    // There is no row 0.
    let count = count.saturating_sub(u64::from(facts.row.first_offset == 0));
    if count == 0 {
        return None;
    }
    let found = format!("{count} writes of people are missing from the inbox, the first is {}", offset.max(1));
    Some(told(
        hole_at(HoleKind::RowsLost, &facts.row, count, &found),
        "what a person wrote was booked, and what it was is not known any more",
        RESTORE,
    ))
}

/// Whole records are counted as records, parts of records as items.
fn letters_of(facts: &PartitionFacts) -> Vec<Hole> {
    let (row, sums, letters) = (&facts.row, &facts.row.sums, &facts.letters);
    let mut holes = Vec::new();
    let there = letters.whole + facts.pruned.letters;
    let found = |what: &str, promised: u64, there: u64| {
        let removed =
            if facts.pruned.letters > 0 { format!(" and {} that retention removed", facts.pruned.letters) } else { String::new() };
        let side = if there < promised { "missing" } else { "not in the books" };
        format!("{} {what} are {side}: the books have {promised}, there are {there}{removed}", promised.abs_diff(there))
    };
    if sums.records_rejected != there {
        let kind = if there < sums.records_rejected { HoleKind::LettersLost } else { HoleKind::LettersUnbooked };
        let count = sums.records_rejected.abs_diff(there);
        let text = found("dead letters", sums.records_rejected, there);
        let meaning = "records that could not be read are not all kept, or one is kept that was never booked";
        holes.push(told(hole_at(kind, row, count, &text), meaning, READ_AGAIN));
    }
    let there = letters.items + facts.pruned.letter_items;
    if sums.items_rejected != there {
        let count = sums.items_rejected.abs_diff(there);
        let text = found("bad items of partly bad records", sums.items_rejected, there);
        let meaning = "the letter of a partly bad record is missing, or was changed";
        holes.push(told(hole_at(HoleKind::LetterItems, row, count, &text), meaning, READ_AGAIN));
    }
    if letters.without_record > 0 {
        let text = format!("{} dead letters have lost the record they hold", letters.without_record);
        let hole = hole_at(HoleKind::LetterWithoutRecord, row, letters.without_record, &text);
        holes.push(told(hole, "such a letter cannot be shown or decoded again", READ_AGAIN));
    }
    holes
}

/// Events made by replays carry the position of their letter and are booked by the replays: only all together can be compared.
fn events_of_all(facts: &BookFacts) -> Option<Hole> {
    let replays = facts.partitions.iter().find(|partition| partition.row.connector == REPLAY)?;
    if facts.replays.under_way > 0 {
        return None;
    }
    let promised: u64 = facts.partitions.iter().map(|partition| partition.row.sums.items_stored).sum();
    let duplicates: u64 = facts.partitions.iter().map(|partition| partition.duplicates).sum();
    let there: u64 = facts.partitions.iter().map(|partition| partition.events + partition.pruned.events).sum();
    let promised = promised.saturating_sub(duplicates);
    if promised == there {
        return None;
    }
    let count = promised.abs_diff(there);
    let (kind, side) =
        if there < promised { (HoleKind::EventsLost, "are missing") } else { (HoleKind::EventsUnbooked, "are not in the books") };
    let found = format!(
        "{count} events {side} among all partitions and the {} dead letters decoded again: the books have {promised}, there are {there}",
        replays.row.sums.records_read
    );
    let hole = Hole { count, found, connector: Some(REPLAY.to_owned()), ..hole(kind) };
    Some(told(hole, "events of decoded letters were deleted or stored without being booked", READ_AGAIN))
}

/// Lines, points and spans end in bucket rows.
fn folded(facts: &BookFacts) -> Option<Hole> {
    let folded = &facts.folded;
    if folded.unread.is_some() {
        return None;
    }
    let promised: u64 = facts.partitions.iter().map(|partition| partition.row.sums.items_folded).sum();
    let there = folded.in_rows + folded.open + folded.pruned;
    if promised == there {
        return None;
    }
    let count = promised.abs_diff(there);
    let connectors: Vec<&str> = facts
        .partitions
        .iter()
        .filter(|partition| partition.row.sums.items_folded > 0)
        .map(|partition| partition.row.connector.as_str())
        .collect();
    let found = format!(
        "the books of {} have {promised} items folded; there are {} in bucket rows, {} in buckets still open, {} in rows that retention removed",
        if connectors.is_empty() { "all connectors".to_owned() } else { connectors.join(", ") },
        folded.in_rows,
        folded.open,
        folded.pruned
    );
    let (kind, side) =
        if there < promised { (HoleKind::FoldedLost, "are missing") } else { (HoleKind::FoldedUnbooked, "are not in the books") };
    let hole = Hole { count, found: format!("{count} log lines, metric points or spans {side}: {found}"), ..hole(kind) };
    Some(told(hole, "a bucket row was deleted or changed, or a position was stored without its counts", READ_AGAIN))
}

fn services(facts: &BookFacts) -> Vec<Hole> {
    let differing = facts.services.iter().filter(|service| service.rows != service.events);
    let holes = differing.map(|service| {
        let found = format!(
            "service {} in {}: bucket rows count {} error lines that are in events, these events count {}",
            service.service, service.environment, service.rows, service.events
        );
        let hole = Hole { count: service.rows.abs_diff(service.events), found, ..hole(HoleKind::CountsDiffer) };
        told(hole, "an event of repeated error lines was deleted or its count changed", READ_AGAIN)
    });
    holes.collect()
}

fn strangers(facts: &BookFacts) -> Vec<Hole> {
    let misnamed =
        facts.strangers.iter().filter_map(|stranger| misnamed(&stranger.connector, &stranger.partition, stranger.misnamed.as_ref()));
    let holes = facts.strangers.iter().filter(|stranger| stranger.is_over).map(|stranger| {
        let PartitionKey { topic, incarnation, partition, .. } = &stranger.partition;
        let found = format!(
            "connector {}, topic {topic}, partition {partition}: {} events or letters of life {incarnation} of the topic have no books",
            stranger.connector, stranger.stored
        );
        let hole = Hole {
            count: stranger.stored,
            found,
            connector: Some(stranger.connector.clone()),
            partition: Some(stranger.partition.clone()),
            offsets: Some((stranger.first_offset, stranger.first_offset)),
            ..hole(HoleKind::PositionUnknown)
        };
        told(hole, "the books of a topic that was made anew are lost", REPORT)
    });
    holes.chain(misnamed).collect()
}

fn kept_sums(facts: &BookFacts) -> Vec<Hole> {
    let holes = facts.sums.iter().map(|sum| {
        let found = format!("{}: {} are kept as the sum, {} are there", sum.of, sum.kept, sum.counted);
        let hole = Hole { count: sum.kept.abs_diff(sum.counted), found, ..hole(HoleKind::SumsDiffer) };
        told(hole, "pages show a wrong total, or rows were deleted by another program", REPORT)
    });
    holes.collect()
}

fn notes(facts: &BookFacts) -> Vec<String> {
    let mut notes = Vec::new();
    if facts.epoch == 0 {
        notes.push("no checkpoint was taken yet: nothing is booked, and nothing is compared".to_owned());
    }
    let strangers: u64 = facts.strangers.iter().filter(|stranger| !stranger.is_over).map(|stranger| stranger.stored).sum();
    let ahead: u64 = strangers + facts.partitions.iter().map(|partition| partition.ahead).sum::<u64>();
    if ahead + facts.folded.ahead > 0 {
        notes.push(format!(
            "{ahead} events or letters and {} folded items are stored ahead of the last checkpoint: after a crash they are read again and stored once",
            facts.folded.ahead
        ));
    }
    if facts.replays.under_way > 0 {
        notes.push(format!(
            "{} dead letters are being decoded again: events are not compared with the books until the next checkpoint",
            facts.replays.under_way
        ));
    }
    if let Some(reason) = &facts.folded.unread {
        notes.push(format!("folded items are not compared, because the checkpoint's state cannot be read: {reason}"));
    }
    for partition in facts.partitions.iter().filter(|partition| partition.row.sums.missed > 0) {
        let row = &partition.row;
        notes.push(format!(
            "connector {}, topic {}, partition {}: {} offsets were missed: Kafka's retention removed them before they were read",
            row.connector, row.partition.topic, row.partition.partition, row.sums.missed
        ));
    }
    notes
}
