//! `whydunit verify` finds every kind of hole it promises to find, and none where there is none.

use std::process::Command;

use whydunit::model::verify::{HoleKind, Verdict};
use whydunit::store::{Options, open_reader};

use super::copies::PATIENCE;
use super::good::Copy;
use crate::support::kafka::KafkaServer;
use crate::support::process::{Home, binary};
use crate::support::shop::{ShopFeed, at, closed_up_to, read_to_the_end, settings};

#[test]
fn a_good_database_has_something_of_everything_and_its_books_close() {
    let copy = Copy::new();
    let verdict = copy.verify();
    assert!(verdict.closes && verdict.holes.is_empty(), "{:#?}", verdict.holes);
    let count = |sql: &str| copy.number(sql);
    let there = [
        ("events of records", count("SELECT count(*) FROM events JOIN event_dims USING (dim) WHERE source = 'git'")),
        ("events of detectors", count("SELECT count(*) FROM events JOIN event_dims USING (dim) WHERE event_type = 'error_burst'")),
        ("bucket rows", count("SELECT count(*) FROM bucket_rows")),
        ("whole letters", count("SELECT count(*) FROM letters WHERE whole")),
        ("letters of a part", count("SELECT count(*) FROM letters WHERE NOT whole AND items_bad = 2")),
        ("letters decoded again", count("SELECT count(*) FROM letters WHERE replay_count > 0")),
        ("duplicates", count("SELECT sum(duplicates) FROM ledger")),
        ("writes of people", count("SELECT count(*) FROM inbox")),
        ("books of replays", count("SELECT count(*) FROM ledger WHERE connector = 'replay' AND next_offset > 1")),
        ("investigations", count("SELECT count(*) FROM investigations")),
    ];
    for (what, count) in there {
        assert!(count > 0, "no {what}, so nothing of them was checked");
    }
}

/// A change no whydunit makes, and the hole it must be found as.
const HOLES: &[(&str, HoleKind)] = &[
    // Events of records.
    ("DELETE FROM events WHERE seq = (SELECT max(seq) FROM events WHERE provenance LIKE '%\"manual-a\"%')", HoleKind::EventsLost),
    (
        "DELETE FROM events WHERE seq = (SELECT min(seq) FROM events WHERE provenance LIKE '%\"git\"%' AND source_id IS NOT NULL)",
        HoleKind::EventsLost,
    ),
    (
        "INSERT INTO events (seq, id, dim, timestamp, observed_at, count, first_seen, last_seen, content_hash, title, fingerprint, provenance) \
         SELECT seq + 1, 'another', dim, timestamp, observed_at, 1, first_seen, last_seen, 0, title, '', provenance FROM events \
         WHERE provenance LIKE '%\"manual-a\"%' LIMIT 1",
        HoleKind::EventsUnbooked,
    ),
    // To another cluster, life of the topic, offset; another id.
    (
        "UPDATE events SET provenance = replace(provenance, 'in-process', 'elsewhere') WHERE provenance LIKE '%\"manual-a\"%' AND source_id IS NULL",
        HoleKind::IdMisnamed,
    ),
    (
        "UPDATE events SET provenance = replace(provenance, '\"incarnation\":0', '\"incarnation\":1') WHERE provenance LIKE '%\"manual-a\"%' AND source_id IS NULL",
        HoleKind::EventsLost,
    ),
    ("UPDATE events SET id = 'x' || id WHERE seq = (SELECT min(seq) FROM events WHERE provenance LIKE '%\"ci\"%')", HoleKind::IdMisnamed),
    ("UPDATE ledger SET cluster = 'elsewhere' WHERE connector = 'manual-a'", HoleKind::EventsLost),
    ("UPDATE ledger SET incarnation = 1 WHERE connector = 'manual-a'", HoleKind::PositionUnknown),
    ("UPDATE ledger SET first_offset = 10 WHERE connector = 'manual-a'", HoleKind::PositionUnknown),
    // Positions and sums.
    ("UPDATE ledger SET next_offset = next_offset + 1 WHERE connector = 'logs'", HoleKind::OffsetsUnbalanced),
    ("UPDATE ledger SET next_offset = next_offset - 1 WHERE connector = 'traces'", HoleKind::OffsetsUnbalanced),
    ("UPDATE ledger SET next_offset = next_offset + 1 WHERE connector = 'inbox'", HoleKind::OffsetsUnbalanced),
    ("UPDATE ledger SET next_offset = next_offset + 1 WHERE connector = 'replay'", HoleKind::OffsetsUnbalanced),
    ("UPDATE ledger SET sums = json_set(sums, '$.absent', 1) WHERE connector = 'metrics'", HoleKind::OffsetsUnbalanced),
    ("UPDATE ledger SET sums = json_set(sums, '$.missed', 5) WHERE connector = 'git'", HoleKind::OffsetsUnbalanced),
    (
        "UPDATE ledger SET sums = json_set(sums, '$.records_read', json_extract(sums, '$.records_read') + 1) WHERE connector = 'logs'",
        HoleKind::RecordsUnbalanced,
    ),
    (
        "UPDATE ledger SET sums = json_set(sums, '$.items_decoded', json_extract(sums, '$.items_decoded') + 1) WHERE connector = 'logs'",
        HoleKind::ItemsUnbalanced,
    ),
    (
        "UPDATE ledger SET sums = json_set(sums, '$.items_seen_before', json_extract(sums, '$.items_seen_before') + 1) WHERE connector = 'ci'",
        HoleKind::ItemsUnbalanced,
    ),
    (
        "UPDATE ledger SET sums = json_set(sums, '$.items_stored', json_extract(sums, '$.items_stored') + 1, '$.items_decoded', \
         json_extract(sums, '$.items_decoded') + 1) WHERE connector = 'manual-a'",
        HoleKind::EventsLost,
    ),
    (
        "UPDATE ledger SET sums = json_set(sums, '$.items_folded', json_extract(sums, '$.items_folded') + 1, '$.items_decoded', \
         json_extract(sums, '$.items_decoded') + 1) WHERE connector = 'logs'",
        HoleKind::FoldedLost,
    ),
    ("UPDATE ledger SET duplicates = duplicates + 1 WHERE connector = 'manual-a'", HoleKind::EventsUnbooked),
    ("UPDATE ledger SET duplicates = 100000 WHERE connector = 'ci'", HoleKind::DuplicatesUnbalanced),
    (
        "INSERT INTO duplicates (connector, cluster, topic, incarnation, partition, \"offset\", event_id) \
         SELECT connector, cluster, topic, incarnation, partition, 0, 'x' FROM ledger WHERE connector = 'git'",
        HoleKind::DuplicatesUnbalanced,
    ),
    // Dead letters.
    ("DELETE FROM letters WHERE n = (SELECT min(n) FROM letters WHERE connector = 'logs')", HoleKind::LettersLost),
    ("DELETE FROM letters WHERE NOT whole", HoleKind::LetterItems),
    ("UPDATE letters SET items_bad = 1 WHERE NOT whole", HoleKind::LetterItems),
    ("UPDATE ledger SET sums = json_set(sums, '$.items_rejected', 1) WHERE connector = 'metrics'", HoleKind::LetterItems),
    (
        "UPDATE letters SET connector = 'traces', topic = 'traces', \"offset\" = 0 WHERE n = (SELECT min(n) FROM letters WHERE connector = 'logs')",
        HoleKind::LettersLost,
    ),
    ("DELETE FROM letter_records WHERE n = (SELECT max(n) FROM letters WHERE connector = 'logs')", HoleKind::LetterWithoutRecord),
    // What is folded.
    (
        "DELETE FROM bucket_rows WHERE (bucket, source, service) = (SELECT bucket, source, service FROM bucket_rows WHERE source = 'traces' LIMIT 1)",
        HoleKind::FoldedLost,
    ),
    (
        "UPDATE bucket_rows SET items = items + 1 WHERE (bucket, service) = (SELECT min(bucket), service FROM bucket_rows WHERE source = 'logs') AND source = 'logs'",
        HoleKind::FoldedUnbooked,
    ),
    (
        "UPDATE events SET count = count + 1 WHERE seq = (SELECT max(seq) FROM events JOIN event_dims USING (dim) WHERE event_type = 'error_burst')",
        HoleKind::CountsDiffer,
    ),
    (
        "DELETE FROM events WHERE seq = (SELECT max(seq) FROM events JOIN event_dims USING (dim) WHERE event_type = 'error_burst')",
        HoleKind::CountsDiffer,
    ),
    (
        "UPDATE bucket_rows SET in_events = in_events - 1 WHERE (bucket, service, source) = (SELECT bucket, service, source FROM bucket_rows WHERE in_events > 0 LIMIT 1)",
        HoleKind::CountsDiffer,
    ),
    // Sums that pages show.
    (
        "DELETE FROM events WHERE seq = (SELECT max(seq) FROM events JOIN event_dims USING (dim) WHERE source IN ('metrics', 'traces'))",
        HoleKind::SumsDiffer,
    ),
    ("UPDATE event_slots SET events = events + 1 WHERE dim = (SELECT min(dim) FROM event_slots)", HoleKind::SumsDiffer),
    ("UPDATE bucket_totals SET items = items + 1 WHERE bucket = (SELECT min(bucket) FROM bucket_totals)", HoleKind::SumsDiffer),
    ("DELETE FROM events_fts WHERE rowid = (SELECT min(seq) FROM events)", HoleKind::SumsDiffer),
    // What people wrote.
    ("DELETE FROM inbox WHERE id = 2", HoleKind::RowsLost),
];

#[test]
fn every_kind_of_hole_is_found_and_named() {
    let mut missed = Vec::new();
    for (sql, kind) in HOLES {
        let copy = Copy::new();
        assert!(copy.spoil(sql) > 0, "changes nothing: {sql}");
        let verdict = copy.verify();
        if verdict.closes || !verdict.holes.iter().any(|hole| hole.kind == *kind) {
            let found: Vec<_> = verdict.holes.iter().map(|hole| (hole.kind, &hole.found)).collect();
            missed.push(format!("{sql}\n  is not found as {kind:?} but as {found:#?}"));
        }
        for hole in &verdict.holes {
            assert!(!hole.found.is_empty() && !hole.meaning.is_empty() && !hole.advice.is_empty() && hole.count > 0, "{hole:?}");
        }
    }
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}

#[test]
fn a_lost_event_is_named_with_connector_topic_partition_and_offset() {
    let copy = Copy::new();
    // Offset 41 of manual-a: no letter, and no other note has its external id.
    let gone = "provenance LIKE '%\"manual-a\"%' AND json_extract(provenance, '$.offset') = 41";
    assert_eq!(copy.spoil(&format!("DELETE FROM events WHERE {gone}")), 1);
    let verdict = copy.verify();
    let hole = verdict.holes.iter().find(|hole| hole.kind == HoleKind::EventsLost).unwrap();
    assert_eq!((hole.connector.as_deref(), hole.count), (Some("manual-a"), 1));
    assert!(hole.found.contains("topic manual-a, partition 0, offsets 0 to 120: 1 events are missing"), "{}", hole.found);
    assert!(hole.offsets.is_some_and(|(first, next)| (first..next).contains(&41)), "{hole:?}");
}

fn verify(copy: &Copy, more: &[&str]) -> std::process::Output {
    let mut command: Command = binary();
    command.args(["verify", "--database"]).arg(copy.path()).args(more).output().unwrap()
}

#[test]
fn the_command_says_that_the_books_close_and_exits_with_one_and_the_first_hole_when_they_do_not() {
    let copy = Copy::new();
    let output = verify(&copy, &[]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && said.contains("The books close: "), "{said}{}", String::from_utf8_lossy(&output.stderr));

    copy.spoil("DELETE FROM letters WHERE n = (SELECT min(n) FROM letters WHERE connector = 'logs')");
    let output = verify(&copy, &[]);
    let (said, error) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(1));
    assert!(said.contains("HOLE: connector logs, topic logs, partition 0") && said.contains("What to do: "), "{said}");
    assert!(error.contains("1 dead letters are missing"), "{error}");

    let output = verify(&copy, &["--json"]);
    let verdict: Verdict = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((verdict.closes, output.status.code()), (false, Some(1)));
}

#[test]
fn a_database_that_is_not_there_or_not_ours_is_said() {
    let copy = Copy::new();
    std::fs::remove_file(copy.path()).unwrap();
    let error = |output: std::process::Output| String::from_utf8_lossy(&output.stderr).into_owned();
    let output = verify(&copy, &[]);
    assert!(!output.status.success() && !copy.path().exists());
    assert!(error(output).contains("there is no database"));
    std::fs::write(copy.path(), "not a database at all, but a text that is long enough to look like one ".repeat(20)).unwrap();
    let output = verify(&copy, &[]);
    let said = error(output);
    assert!(said.contains("not a database"), "{said}");
}

/// What the command says of the database of a home.
fn verify_home(home: &Home, more: &[&str]) -> Verdict {
    let output = home.command("verify").arg("--json").args(more).output().unwrap();
    let verdict = serde_json::from_slice(&output.stdout);
    verdict.unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)))
}

#[test]
fn it_runs_beside_a_running_whydunit_and_on_one_that_was_killed_and_agrees_with_the_broker() {
    let server = KafkaServer::shared();
    let mut feed = ShopFeed::open(server, "verified", 100, &[]);
    let home = Home::new(&settings(server, "verified", ""));
    let run = home.run();
    let (mut looks, mut read) = (0, 0);
    for second in (50..=400).step_by(50) {
        feed.write_until(second);
        let verdict = verify_home(&home, &[]);
        assert!(verdict.closes, "while it runs: {:#?}", verdict.holes);
        looks += u32::from(verdict.records_read > read);
        read = read.max(verdict.records_read);
    }
    run.wait_until("most buckets are closed", PATIENCE, |run| closed_up_to(run, at(300)));
    run.wait_until("most is booked by a checkpoint", PATIENCE, |_| verify_home(&home, &[]).records_read > feed.written / 2);
    let verdict = verify_home(&home, &[]);
    assert!(verdict.closes, "{verdict:#?}");
    run.killed();

    let killed = verify_home(&home, &["--connect"]);
    assert!(killed.closes, "{:#?}", killed.holes);
    let lag: u64 = killed.partitions.iter().filter_map(|partition| partition.lag).sum();
    assert_eq!(killed.records_read + lag, feed.written, "what is read and what the broker still has");
    println!("{looks} looks found news; {} records read, {lag} to read", killed.records_read);

    // Lines in buckets still open lie in the checkpoint's state alone.
    let facts = whydunit::app::verify::facts(&open_reader(&Options::file(home.database())).unwrap(), true).unwrap();
    assert!(facts.folded.open > 0 && facts.folded.in_rows > 0, "{:?}", facts.folded);
    let copy = home.database().with_file_name("spoiled.db");
    let connection = rusqlite::Connection::open(home.database()).unwrap();
    connection.backup("main", &copy, None).unwrap();
    let spoiled = rusqlite::Connection::open(&copy).unwrap();
    spoiled.execute("DELETE FROM state WHERE stage LIKE 'detection/%' AND substr(key, 1, 1) = x'65'", []).unwrap();
    let forgotten = verify_home(&home, &["--database", copy.to_str().unwrap()]);
    assert_eq!(forgotten.holes.first().map(|hole| (hole.kind, hole.count)), Some((HoleKind::FoldedLost, facts.folded.open)));

    // State of another version: refused with a way on, which loses nothing but what was learned.
    connection.execute("UPDATE meta SET value = '1' WHERE key = 'snapshot_format'", []).unwrap();
    drop(connection);
    let refused = home.command("run").output().unwrap();
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && said.contains("version 1") && said.contains("--forget-state"), "{said}");
    feed.write_to_the_end();
    let run = home.run_forgetting();
    run.wait_until("the rest is read", PATIENCE, read_to_the_end);
    run.terminate();
    let verdict = verify_home(&home, &["--connect"]);
    assert!(verdict.closes, "{:#?}", verdict.holes);
    assert_eq!(verdict.records_read, feed.written, "nothing is read twice, nothing is left out");
    let open_buckets = "SELECT removed FROM pruned WHERE kind = 'open_buckets'";
    let connection = rusqlite::Connection::open(home.database()).unwrap();
    assert_eq!(connection.query_row(open_buckets, [], |row| row.get::<_, u64>(0)).unwrap(), facts.folded.open);
}

#[test]
fn positions_that_do_not_fit_the_broker_are_named() {
    let server = KafkaServer::shared();
    let mut feed = ShopFeed::open(server, "positions", 100, &[]);
    feed.write_until(60);
    let home = Home::new(&settings(server, "positions", ""));
    let run = home.run();
    run.wait_until("something is booked", PATIENCE, |_| {
        verify_home(&home, &[]).partitions.iter().any(|partition| partition.row.connector == "traces" && partition.row.next_offset > 0)
    });
    run.terminate();
    let changes = [
        ("next_offset = 1000000", HoleKind::BeyondEnd, "999"),
        ("cluster = 'another'", HoleKind::OtherCluster, "another"),
        ("topic = 'not.there'", HoleKind::TopicGone, "not.there"),
    ];
    for (change, kind, word) in changes {
        let copy = home.database().with_extension("copy");
        rusqlite::Connection::open(home.database()).unwrap().backup("main", &copy, None).unwrap();
        let connection = rusqlite::Connection::open(&copy).unwrap();
        connection.execute(&format!("UPDATE ledger SET {change} WHERE connector = 'traces' AND partition = 0"), []).unwrap();
        let verdict = verify_home(&home, &["--connect", "--database", copy.to_str().unwrap()]);
        let hole = verdict.holes.iter().find(|hole| hole.kind == kind).unwrap_or_else(|| panic!("no {kind:?}: {:#?}", verdict.holes));
        assert!(hole.found.contains(word) && hole.connector.as_deref() == Some("traces"), "{hole:?}");
        drop(connection);
        std::fs::remove_file(&copy).unwrap();
    }
    let silent = verify_home(&home, &["--brokers", "127.0.0.1:9"]);
    assert!(
        silent.holes.iter().any(|hole| hole.kind == HoleKind::BrokerSilent && hole.found.contains("127.0.0.1:9")),
        "{:#?}",
        silent.holes
    );
}
