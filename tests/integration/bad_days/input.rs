//! Everything a producer can do wrong, among good records: each ends in the books, and the fault among them is still found.

use std::collections::BTreeMap;

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::metrics::v1::{Gauge, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, metric, number_data_point};
use prost::Message as _;
use rand::{Rng as _, RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use whydunit::kafka::Options;
use whydunit::kafka::producer::{OutgoingRecord, Producer};
use whydunit::model::Timestamp;

use super::{PATIENCE, assert_books_balance, books, of_kind};
use crate::support::kafka::KafkaServer;
use crate::support::process::{Home, Run};
use crate::support::seed::seed;
use crate::support::shop::{LIFE_S, ShopFeed, at, closed_up_to, read_to_the_end, settings};

const PREFIX: &str = "bad-input";
const MEGABYTE: usize = 1_048_576;
const TEN_YEARS_S: i64 = 10 * 365 * 86_400;

/// What must become of a bad record.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fate {
    /// A letter of one of these classes, and nothing else.
    Letter(&'static [&'static str]),
    /// A letter about one of its items; the others are stored.
    PartlyLetter,
    /// Good enough to be read.
    Decoded,
}

struct Bad {
    what: &'static str,
    topic: &'static str,
    value: Option<Vec<u8>>,
    headers: Vec<(&'static str, Option<Vec<u8>>)>,
    timestamp: Timestamp,
    fate: Fate,
}

impl Bad {
    fn new(what: &'static str, topic: &'static str, value: impl Into<Vec<u8>>, fate: Fate) -> Self {
        Self { what, topic, value: Some(value.into()), headers: Vec::new(), timestamp: at(300), fate }
    }
}

const UNREADABLE: Fate = Fate::Letter(&["unknown_format", "malformed", "no_items", "invalid_field"]);

fn line(time: &str, message: &str) -> String {
    serde_json::json!({ "@timestamp": time, "message": message, "log.level": "error", "service.name": "cart" }).to_string()
}

fn a_point_that_is_no_number() -> Vec<u8> {
    let point = |value| NumberDataPoint {
        time_unix_nano: at(300).nanos() as u64,
        value: Some(number_data_point::Value::AsDouble(value)),
        ..Default::default()
    };
    let gauge = Gauge { data_points: vec![point(1.0), point(f64::NAN), point(f64::INFINITY), point(2.0)] };
    let metric = Metric { name: "queue.depth".to_owned(), data: Some(metric::Data::Gauge(gauge)), ..Default::default() };
    let scope = ScopeMetrics { metrics: vec![metric], ..Default::default() };
    let resource = ResourceMetrics { scope_metrics: vec![scope], ..Default::default() };
    ExportMetricsServiceRequest { resource_metrics: vec![resource] }.encode_to_vec()
}

/// Protobuf whose every field holds the next one, deeper than any stack.
fn nested_protobuf(depth: usize) -> Vec<u8> {
    let mut value = Vec::new();
    for _ in 0..depth {
        let mut outer = vec![0x0a];
        prost::encoding::encode_varint(value.len() as u64, &mut outer);
        outer.extend(&value);
        value = outer;
    }
    value
}

fn broken_bytes() -> Vec<Bad> {
    let logs = "shop.logs";
    vec![
        Bad { value: None, ..Bad::new("a tombstone", logs, "", Fate::Letter(&["tombstone"])) },
        Bad::new("an empty value", logs, "", Fate::Letter(&["empty"])),
        Bad::new("a zero byte", logs, vec![0], UNREADABLE),
        Bad::new("half a line", logs, r#"{"message":"cut o"#, UNREADABLE),
        Bad::new("not a number in JSON", logs, r#"{"message":"x","duration":NaN}"#, UNREADABLE),
        Bad::new("no UTF-8", logs, b"{\"message\":\"\xff\xfe\"}".to_vec(), UNREADABLE),
        Bad::new("a lone surrogate", logs, r#"{"message":"\ud800"}"#, UNREADABLE),
        Bad::new("a list of nothing", logs, "[]", UNREADABLE),
        Bad::new("100,000 open brackets", logs, vec![b'['; 100_000], UNREADABLE),
        Bad::new("100,000 open objects", logs, r#"{"a":"#.repeat(100_000), UNREADABLE),
        Bad::new("a line with an attribute 100,000 deep", logs, format!(r#"{{"message":"m","a":{}"#, "[".repeat(100_000)), UNREADABLE),
        Bad::new("nested protobuf", "shop.traces", nested_protobuf(20_000), UNREADABLE),
        Bad::new("a time that is none", logs, line("the day after tomorrow", "m"), UNREADABLE),
        Bad::new("a megabyte of brackets", logs, vec![b'['; MEGABYTE], UNREADABLE),
        Bad::new("a megabyte of nothing", logs, vec![0; MEGABYTE], UNREADABLE),
        Bad::new("points that are no numbers", "shop.metrics", a_point_that_is_no_number(), Fate::PartlyLetter),
        Bad {
            headers: vec![("x-github-event", Some(b"push".to_vec())), ("", None), ("\u{fffd}", Some(vec![0xff; 1_000]))],
            ..Bad::new("a push that is none", "shop.git", "{}", UNREADABLE)
        },
    ]
}

fn far_away_times() -> Vec<Bad> {
    let logs = "shop.logs";
    let in_ten_years = at(300).plus_seconds(TEN_YEARS_S);
    vec![
        Bad::new("a megabyte of message", logs, line(&at(300).to_string(), &"m".repeat(MEGABYTE - 200)), Fate::Decoded),
        Bad::new("a line ten years ahead", logs, line(&in_ten_years.to_string(), "from the future"), Fate::Decoded),
        Bad {
            timestamp: in_ten_years,
            ..Bad::new("a record ten years ahead", logs, line(&in_ten_years.to_string(), "the broker believes it"), Fate::Decoded)
        },
        Bad::new(
            "a note ten years ahead",
            "shop.manual",
            serde_json::json!({ "title": "from the future", "timestamp": in_ten_years, "service": "cart" }).to_string(),
            Fate::Decoded,
        ),
        Bad::new("a line of 1970", logs, line("1970-01-01T00:00:01Z", "long ago"), Fate::Decoded),
    ]
}

fn garbage(random: &mut ChaCha8Rng, count: usize) -> impl Iterator<Item = Bad> {
    std::iter::repeat_with(move || {
        let mut value = vec![0; random.random_range(64..=1_024)];
        random.fill_bytes(&mut value);
        let topic = ["shop.logs", "shop.metrics", "shop.traces", "shop.git", "shop.ci", "shop.manual"][random.random_range(0..6)];
        Bad::new("random bytes", topic, value, UNREADABLE)
    })
    .take(count)
}

fn send(server: &KafkaServer, bad: &[Bad]) {
    let mut options = Options { brokers: server.brokers(), ..Options::default() };
    options.properties.set("message.max.bytes", "2000000");
    let producer = Producer::new(&options, None).unwrap();
    for Bad { topic, value, headers, timestamp, .. } in bad {
        let headers: Vec<_> = headers.iter().map(|(name, value)| ((*name).to_owned(), value.clone().unwrap_or_default())).collect();
        let (topic, value, timestamp) = (format!("{PREFIX}.{topic}"), value.as_deref(), Some(*timestamp));
        producer.send(&OutgoingRecord { topic: &topic, partition: None, key: None, value, headers: &headers, timestamp }).unwrap();
    }
    producer.flush(PATIENCE).unwrap();
}

/// Classes of the letters, with how many; each has a reason.
fn letters(export: &str) -> BTreeMap<String, usize> {
    let mut classes = BTreeMap::new();
    for letter in of_kind(export, "dead_letter") {
        assert!(letter["error_message"].as_str().is_some_and(|reason| reason.len() > 10), "{letter}");
        *classes.entry(letter["error_class"].as_str().unwrap().to_owned()).or_default() += 1;
    }
    classes
}

fn rejected(run: &Run) -> u64 {
    let connectors = run.api("/api/v1/connectors");
    connectors.as_array().map_or(0, |all| all.iter().filter_map(|one| one["rejected_total"].as_u64()).sum())
}

#[test]
fn all_bad_input_at_once_ends_in_the_books_and_the_fault_among_it_is_found() {
    let mut random = ChaCha8Rng::seed_from_u64(seed());
    let server = KafkaServer::shared();
    // As brokers before 3.6 are: they take records of any time.
    let mut feed =
        ShopFeed::open(server, PREFIX, 450, &[("message.timestamp.after.max.ms", &i64::MAX.to_string()), ("max.message.bytes", "2000000")]);
    let home = Home::new(&settings(server, PREFIX, ""));
    let run = home.run();
    feed.write_until(300);
    let bad: Vec<Bad> = broken_bytes().into_iter().chain(far_away_times()).chain(garbage(&mut random, 200)).collect();
    send(server, &bad);
    let wanted = |fate: fn(&Fate) -> bool| bad.iter().filter(|bad| fate(&bad.fate)).count() as u64;
    let (whole, partly) = (wanted(|fate| matches!(fate, Fate::Letter(_))), wanted(|fate| *fate == Fate::PartlyLetter));
    run.wait_until("the bad ones are told apart", PATIENCE, |run| rejected(run) == whole + partly);
    let watermark = run.api("/api/v1/health")["watermark"].as_str().and_then(Timestamp::parse);
    assert!(watermark.is_none_or(|watermark| watermark <= at(300)), "what lies ahead moved the watermark to {watermark:?}");

    feed.write_to_the_end();
    run.wait_until("everything is read", PATIENCE, read_to_the_end);
    assert!(!closed_up_to(&run, at(LIFE_S + 61)), "the watermark went further than anything believable");
    assert!(run.metric("whydunit_items_skewed_total").is_some());
    assert!(!run.said().contains("panicked"), "{}", run.said());
    run.terminate();
    check(&home.export(), &bad, feed.written, whole, partly);
}

fn check(export: &str, bad: &[Bad], good: u64, whole: u64, partly: u64) {
    let (books, letters) = (books(export), letters(export));
    println!("{books:?}\n{letters:?}");
    assert_books_balance(&books);
    assert_eq!((books["records_read"], books["records_rejected"]), (good + bad.len() as u64, whole));
    assert_eq!(books["items_rejected"], 2, "the points that are no numbers");
    assert_eq!(letters.values().sum::<usize>() as u64, whole + partly);
    for (index, Bad { what, fate, value, .. }) in bad.iter().enumerate() {
        let Fate::Letter(classes) = fate else { continue };
        let count: usize = classes.iter().filter_map(|class| letters.get(*class)).sum();
        assert!(count > 0, "{what} (number {index}, {} bytes) is no letter of {classes:?}", value.as_ref().map_or(0, Vec::len));
    }
    assert_eq!((letters["tombstone"], letters["empty"]), (1, 1));
    // A note, and two lines whose claims are shown and not believed.
    let skewed: Vec<_> = of_kind(export, "event").filter(|event| event["tags"].to_string().contains("skewed")).collect();
    assert!(skewed.iter().any(|event| event["event_type"] == "note" || event["source"] == "manual"), "{skewed:?}");
    assert!(skewed.iter().any(|event| event["source"] == "logs"), "{skewed:?}");
    let findings: Vec<_> = of_kind(export, "findings").collect();
    let blames_payment = |findings: &serde_json::Value| {
        let suspects = findings["suspects"].as_array().unwrap();
        suspects.iter().find(|suspect| suspect["kind"] == "service").is_some_and(|suspect| suspect["entity"] == "payment")
    };
    assert!(findings.iter().any(blames_payment), "the fault was not found: {findings:?}");
}
