//! Every item counted ends in exactly one row.

use super::drive::Pipeline;
use super::traffic::{Fault, Item, START_S, batch, shop};
use crate::model::{Bucket, Severity, Timestamp};

fn rows(pipeline: &Pipeline) -> (u64, u64, u64) {
    let rows = pipeline.closed.iter().flat_map(|closed| &closed.rows);
    rows.fold((0, 0, 0), |(items, in_events, late), row| (items + row.items, in_events + row.in_events, late + row.late))
}

#[test]
fn every_item_ends_in_one_row_and_every_error_line_in_one_event() {
    let shop = shop(7, 12, Fault::Failing(0.3), 480);
    let mut pipeline = Pipeline::new(3, None);
    pipeline.run(&shop, 333, 4_000, 2);
    let errors = shop.items.iter().filter(|item| matches!(item, Item::Line(line) if line.severity >= Severity::High)).count() as u64;
    let (items, in_events, late) = rows(&pipeline);
    assert_eq!((items, in_events, late), (shop.items.len() as u64, errors, 0));
    let folded = pipeline.closed.iter().flat_map(|closed| &closed.events).filter(|event| event.data.get("template").is_some());
    assert_eq!(folded.map(|event| event.count).sum::<u64>(), errors);
}

#[test]
fn what_came_twice_is_seen_before_and_not_counted_again() {
    let mut shop = shop(7, 6, Fault::None, 0);
    shop.items.retain(|item| !matches!(item, Item::Point(_)));
    let items = shop.items.len() as u64;
    let numbered: Vec<(usize, Item)> = shop.items.iter().cloned().enumerate().collect();
    let mut pipeline = Pipeline::new(2, None);
    pipeline.next = Some(Bucket::of(Timestamp::from_seconds(START_S)));
    for chunk in numbered.chunks(400) {
        pipeline.observe(batch(&shop.definitions, chunk));
        pipeline.observe(batch(&shop.definitions, chunk));
        pipeline.close_until(chunk.last().unwrap().1.at().plus_seconds(-10));
    }
    pipeline.close_until(Timestamp::from_seconds(START_S + 3_600));
    assert_eq!(rows(&pipeline).0, items);
    assert_eq!(pipeline.seen_before.iter().map(|seen| seen.items).sum::<u64>(), items);
}

#[test]
fn a_line_from_the_next_century_is_counted_now_and_opens_no_buckets() {
    let mut shop = shop(9, 6, Fault::None, 0);
    let mut stray = shop.items.iter().find(|item| matches!(item, Item::Line(_))).cloned().unwrap();
    if let Item::Line(line) = &mut stray {
        line.timestamp = Timestamp::from_seconds(4_000_000_000);
        line.trace = Default::default();
    }
    let mut pipeline = Pipeline::new(1, None);
    pipeline.run(&shop, 500, 0, 1);
    let buckets = pipeline.closed.len();
    pipeline.observe(batch(&shop.definitions, &[(1_000_000, stray)]));
    shop.items.clear();
    let next = pipeline.next.unwrap();
    pipeline.close_until(next.end());
    assert_eq!(pipeline.closed.len(), buckets + 1);
    let row = &pipeline.closed.last().unwrap().rows[0];
    assert_eq!((row.items, row.late), (1, 1));
}

#[test]
fn a_line_after_its_bucket_closed_is_counted_late() {
    let shop = shop(9, 6, Fault::None, 0);
    let mut pipeline = Pipeline::new(1, None);
    pipeline.run(&shop, 500, 0, 1);
    let line = shop.items.iter().find(|item| matches!(item, Item::Point(_))).cloned().unwrap();
    pipeline.observe(batch(&shop.definitions, &[(1_000_001, line)]));
    pipeline.close_until(pipeline.next.unwrap().end());
    assert_eq!(rows(&pipeline), (shop.items.len() as u64 + 1, 0, 1));
}
