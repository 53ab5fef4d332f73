//! What comes without Kafka: each record has an offset of its own for ever, and goes once the books are past it.

use whydunit::model::Source;
use whydunit::model::ledger::{LedgerRow, LedgerSums};
use whydunit::model::ports::{StoreError, StoreReader as _, StoreWriter as _, WriteBatch};
use whydunit::model::received::{NewRecord, connector_of, partition_of};
use whydunit::model::snapshot::Checkpoint;
use whydunit::store::{Options, SqliteWriter, open_reader, open_writer};

use super::Database;
use super::things::at;

const LOGS: &str = connector_of(Source::Logs);

fn records(source: Source, values: std::ops::Range<u32>) -> Vec<NewRecord> {
    let record = |value: u32| NewRecord {
        source,
        value: value.to_string().into_bytes(),
        headers: vec![("content-type".to_owned(), b"text/plain".to_vec())],
        received_at: at(i64::from(value)),
    };
    values.map(record).collect()
}

fn receive(writer: &mut SqliteWriter, received: Vec<NewRecord>) {
    writer.write(&WriteBatch { received, ..WriteBatch::default() }, at(0)).unwrap();
}

/// A checkpoint up to which logs are read.
fn pass(writer: &mut SqliteWriter, epoch: u64, next_offset: i64) {
    let row = LedgerRow {
        connector: LOGS.to_owned(),
        partition: partition_of(Source::Logs),
        first_offset: 0,
        next_offset,
        topic_id: None,
        sums: LedgerSums::default(),
    };
    let checkpoint = Some(Checkpoint { epoch, ledger: vec![row], ..Checkpoint::default() });
    writer.write(&WriteBatch { checkpoint, ..WriteBatch::default() }, at(0)).unwrap();
}

/// Removes all that may go; in how many pieces.
fn remove_all(writer: &mut SqliteWriter) -> u32 {
    let mut pieces = 1;
    while writer.remove_received().unwrap().more {
        pieces += 1;
    }
    pieces
}

#[test]
fn offsets_are_dense_by_connector_and_never_given_twice() {
    let database = Database::new();
    let mut writer = open_writer(&database.options()).unwrap();
    let mixed = [records(Source::Logs, 0..2), records(Source::Git, 0..1), records(Source::Logs, 2..3)].concat();
    receive(&mut writer, mixed);
    pass(&mut writer, 1, 3);
    remove_all(&mut writer);
    drop(writer);
    let mut writer = open_writer(&database.options()).unwrap();
    receive(&mut writer, records(Source::Logs, 3..5));
    let reader = open_reader(&database.options()).unwrap();
    let page = reader.received(LOGS, 0, 100, u64::MAX).unwrap();
    let found: Vec<_> = page.records.iter().map(|record| (record.offset, record.value.clone(), record.received_at)).collect();
    assert_eq!(found, [(3, b"3".to_vec(), at(3)), (4, b"4".to_vec(), at(4))]);
    assert_eq!((page.end_offset, page.records[0].headers.len()), (5, 1));
    assert_eq!(reader.received(connector_of(Source::Git), 0, 100, u64::MAX).unwrap().records.len(), 1, "nobody has read it yet");
}

#[test]
fn what_the_books_are_past_is_removed_in_pieces_and_its_room_is_free() {
    let database = Database::new();
    let mut writer = open_writer(&database.options()).unwrap();
    receive(&mut writer, records(Source::Logs, 0..1_200));
    assert_eq!(remove_all(&mut writer), 1);
    let all: u64 = writer.received_waiting().unwrap().iter().map(|(_, bytes)| bytes).sum();
    pass(&mut writer, 1, 1_000);
    assert!(remove_all(&mut writer) > 1, "a piece bounds how long others wait");
    let reader = open_reader(&database.options()).unwrap();
    let page = reader.received(LOGS, 0, u32::MAX, u64::MAX).unwrap();
    assert_eq!((page.records.len(), page.records[0].offset), (200, 1_000));
    let left = writer.received_waiting().unwrap();
    let rest: u64 = records(Source::Logs, 1_000..1_200).iter().map(NewRecord::size_bytes).sum();
    assert_eq!(left, [(LOGS.to_owned(), rest)]);
    assert!(rest < all);
}

#[test]
fn a_page_holds_so_many_bytes_but_always_a_record() {
    let database = Database::new();
    let mut writer = open_writer(&database.options()).unwrap();
    receive(&mut writer, records(Source::Logs, 0..10));
    let reader = open_reader(&database.options()).unwrap();
    let size = records(Source::Logs, 0..1)[0].size_bytes();
    for (bytes, records) in [(0, 1), (size, 1), (size * 3, 3), (u64::MAX, 10)] {
        assert_eq!(reader.received(LOGS, 0, 100, bytes).unwrap().records.len(), records, "{bytes}");
    }
    assert_eq!(reader.received(LOGS, 4, 2, u64::MAX).unwrap().records.iter().map(|record| record.offset).collect::<Vec<_>>(), [4, 5]);
    assert_eq!(reader.received("http-none", 0, 100, u64::MAX).unwrap().end_offset, 0);
}

#[test]
fn a_probe_tells_whether_there_is_room_for_so_many_bytes_and_leaves_it_to_what_comes() {
    let database = Database::new();
    let mut writer = open_writer(&Options { max_size_mib: 2, ..database.options() }).unwrap();
    writer.probe(1 << 20).unwrap();
    assert!(matches!(writer.probe(4 << 20), Err(StoreError::DiskFull(_))), "there is no room for twice as much");
    let record = NewRecord { value: vec![b'x'; 1 << 20], ..records(Source::Logs, 0..1).remove(0) };
    receive(&mut writer, vec![record]);
    assert!(matches!(writer.probe(1 << 20), Err(StoreError::DiskFull(_))), "the room is taken");
    writer.probe(1 << 10).unwrap();
}
