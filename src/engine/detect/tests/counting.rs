//! Every item counted ends in exactly one row.

use super::drive::{Pipeline, changed};
use super::traffic::{Fault, Item, START_S, batch, shop};
use crate::engine::detect::entity::Entity;
use crate::engine::detect::heat::Heat;
use crate::engine::detect::{DetectOptions, Detector, ShardInput, TraceJoin};
use crate::model::signal::ClosedBucket;
use crate::model::{Bucket, EntityKey, Severity, Symbol, Timestamp};

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

/// A join may be behind the others, and what it brings closed over already: whatever another one brings must have a name.
#[test]
fn what_any_join_brings_has_the_name_of_its_service_whichever_of_them_is_behind() {
    const SHARDS: usize = 3;
    let shop = shop(7, 6, Fault::None, 0);
    let lines: Vec<(usize, Item)> = shop.items.iter().filter(|item| matches!(item, Item::Line(_))).take(300).cloned().enumerate().collect();
    let bucket = lines.iter().map(|(_, item)| Bucket::of(item.at())).max().unwrap();
    let (inputs, _) = ShardInput::split(batch(&shop.definitions, &lines), SHARDS);
    for (join, input) in inputs.into_iter().enumerate() {
        let mut detector = Detector::new(&DetectOptions::default());
        detector.observe(TraceJoin::new(&DetectOptions::default()).observe(input));
        let closed = detector.close(bucket);
        assert!(!closed.rows.is_empty(), "join {join} brings nothing, so nothing is shown");
        for row in closed.rows {
            assert!(!row.entity.service.starts_with('#'), "join {join}: {row:?}");
        }
    }
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
fn days_in_one_batch_of_a_slow_topic_end_bucket_by_bucket() {
    let second = |number: i64| 1_780_000_000 + 300 * number;
    let mut pipeline = Pipeline::new(1, None);
    pipeline.observe(batch(&[], &lines_of(0..3, second(0))));
    pipeline.next = Some(Bucket::of(Timestamp::from_seconds(second(0))));
    pipeline.close_until(Timestamp::from_seconds(second(0) + 30));
    // A consumer that catches up: two days at a line every five minutes, and one line from the next century whose topic says so, too.
    let mut items: Vec<_> = (1..=576).flat_map(|number| lines_of(0..3, second(number))).collect();
    items.extend(lines_of(0..1, 4_000_000_000));
    let mut days = batch(&[], &items);
    days.newest = vec![Some(Timestamp::from_seconds(second(576)))];
    pipeline.observe(days);
    pipeline.close_until(Timestamp::from_seconds(second(577)));
    assert_eq!(rows(&pipeline), (3 * 577 + 1, 0, 1), "only the one from the next century is late");
    let of_bucket = |closed: &ClosedBucket| closed.rows.iter().map(|row| row.items).sum::<u64>();
    let most = pipeline.closed.iter().map(of_bucket).max();
    assert_eq!(most, Some(3), "one line of each service in a bucket, and none piled up");
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
    pipeline.detectors = (0..shards).map(|shard| Detector::of_shard(shard, &options)).collect();
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
    // Of forty new ones in a bucket twenty at most fit; the others are counted as one service.
    let crowded = |pipeline: &Pipeline| pipeline.detectors.iter().map(Detector::crowded_items).sum::<u64>();
    for pipeline in [&forwards, &backwards] {
        assert_eq!((evicted(pipeline), crowded(pipeline), kept(pipeline)), (51, 140, 10));
    }
    assert_eq!(forwards.said, backwards.said);
    assert_eq!(rows(&flooded(3, true)), (200, 0, 0));
}

/// One shard that keeps ten services, and reads these.
fn crowd(items: &[(usize, Item)]) -> Pipeline {
    let mut pipeline = Pipeline::new(1, None);
    pipeline.detectors = vec![Detector::new(&DetectOptions { max_entities: 10, ..DetectOptions::default() })];
    pipeline.next = Some(Bucket::of(Timestamp::from_seconds(START_S)));
    pipeline.observe(batch(&[], items));
    pipeline
}

#[test]
fn a_flood_of_new_services_before_a_bucket_closes_stays_bounded_and_every_line_is_counted() {
    let items = lines_of(0..10_000, START_S + 1);
    let backwards: Vec<_> = items.iter().rev().cloned().collect();
    let [mut forwards, mut backwards] = [crowd(&items), crowd(&backwards)];
    for pipeline in [&mut forwards, &mut backwards] {
        assert_eq!(pipeline.detectors[0].entities(), 21, "twice ten, and the one that stands for the rest");
        pipeline.close_until(Timestamp::from_seconds(START_S + 60));
        assert_eq!(rows(pipeline), (10_000, 0, 0));
        assert_eq!(pipeline.detectors[0].crowded_items(), 9_980);
        assert!(pipeline.detectors[0].entities() <= 10);
    }
    assert_eq!(forwards.said, backwards.said, "who is counted apart depends on no order");
    let others = forwards.closed.iter().flat_map(|closed| &closed.rows).find(|row| row.entity.service == "(other services)").unwrap();
    assert_eq!(others.items, 9_980);
}

#[test]
fn services_of_a_flood_that_wait_for_a_later_bucket_stay_bounded_too() {
    let mut pipeline = crowd(&[]);
    let mut sent = 0;
    for number in 0..40 {
        let items = lines_of(number * 30..number * 30 + 30, START_S + 1_800);
        sent += items.len() as u64;
        pipeline.observe(batch(&[], &items));
        pipeline.close_until(Timestamp::from_seconds(START_S + (number as i64 + 1) * Bucket::SECONDS));
        assert!(pipeline.detectors[0].entities() <= 21);
    }
    pipeline.close_until(Timestamp::from_seconds(START_S + 3_600));
    assert_eq!(rows(&pipeline).0, sent);
}

#[test]
fn a_service_in_trouble_that_fell_silent_is_let_go_after_those_that_are_well() {
    let hot = Heat { since: Some(Bucket(100)), last: Some(Bucket(104)), ..Heat::default() };
    let key = |number: u64| EntityKey { environment: Symbol(1), service: Symbol(number) };
    let mut detector = Detector::new(&DetectOptions { max_entities: 2, ..DetectOptions::default() });
    for number in 1..=4_u64 {
        let mut entity = Entity { last_seen: Bucket(95 + number as i64), first_seen: Some(Bucket(90)), ..Entity::new(key(number)) };
        if number == 1 {
            entity.lines.heat = hot.clone();
        }
        let bytes = [&[b'e'][..], &1_u64.to_be_bytes(), &number.to_be_bytes()].concat();
        detector.restore(&bytes, &postcard::to_stdvec(&entity).unwrap()).unwrap();
    }
    changed(&mut detector);
    detector.close(Bucket(105));
    assert_eq!((detector.entities(), detector.evicted_entities()), (2, 2));
    let gone: Vec<Vec<u8>> = changed(&mut detector).into_iter().filter(|entry| entry.value.is_none()).map(|entry| entry.key).collect();
    let number = |key: &Vec<u8>| key[16];
    assert_eq!(gone.iter().map(number).collect::<Vec<_>>(), [2, 3], "the one in trouble had been silent for longest");
}
