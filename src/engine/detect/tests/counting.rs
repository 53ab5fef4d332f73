//! Every item counted ends in exactly one row.

use super::drive::Pipeline;
use super::traffic::{Fault, Item, START_S, batch, shop};
use crate::engine::detect::{DetectOptions, Detector};
use crate::model::{Bucket, Severity, Symbol, Timestamp};

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

/// Lines of services that nobody has seen before, one each, at this second.
fn lines_of(services: std::ops::Range<u64>, second: i64) -> Vec<(usize, Item)> {
    let shop = shop(7, 2, Fault::None, 0);
    let Some(Item::Line(like)) = shop.items.iter().find(|item| matches!(item, Item::Line(_))).cloned() else { return Vec::new() };
    let line = |service: u64| {
        let mut line = like.clone();
        (line.entity.service, line.timestamp, line.trace) = (Symbol(service + 1), Timestamp::from_seconds(second), Default::default());
        (second as usize * 1_000 + service as usize, Item::Line(line))
    };
    services.map(line).collect()
}

/// Reads lines of many services in buckets that close one after the other, in the given order inside each bucket.
fn flooded(shards: usize, backwards: bool) -> Pipeline {
    let options = DetectOptions { max_entities: 10, ..DetectOptions::default() };
    let mut pipeline = Pipeline::new(shards, None);
    pipeline.detectors = (0..shards).map(|_| Detector::new(&options)).collect();
    pipeline.next = Some(Bucket::of(Timestamp::from_seconds(START_S)));
    let bucket = |number: i64| START_S + number * Bucket::SECONDS;
    for number in 0..5 {
        // Half of the next bucket comes before this one closes.
        let mut items = lines_of(number as u64 * 40..number as u64 * 40 + 20, bucket(number) + 1);
        items.extend(lines_of(number as u64 * 40 + 20..number as u64 * 40 + 40, bucket(number + 1) + 1));
        if backwards {
            items.reverse();
        }
        pipeline.observe(batch(&[], &items));
        pipeline.close_until(Timestamp::from_seconds(bucket(number + 1)));
    }
    pipeline.close_until(Timestamp::from_seconds(bucket(8)));
    pipeline
}

#[test]
fn more_services_than_are_kept_are_counted_all_the_same_and_which_are_let_go_depends_on_no_order() {
    let evicted = |pipeline: &Pipeline| pipeline.detectors.iter().map(Detector::evicted_entities).sum::<u64>();
    let kept = |pipeline: &Pipeline| pipeline.detectors.iter().map(Detector::entities).sum::<usize>();
    let (forwards, backwards) = (flooded(1, false), flooded(1, true));
    assert_eq!(rows(&forwards), (200, 0, 0), "every line in one row, none late");
    assert_eq!((evicted(&forwards), kept(&forwards)), (190, 10));
    assert_eq!(forwards.said, backwards.said);
    assert_eq!(rows(&flooded(3, true)), (200, 0, 0));
}
