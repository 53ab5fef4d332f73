//! Things to store.

use whydunit::model::dead_letter::{DeadLetter, RejectionClass};
use whydunit::model::entity::ServiceName;
use whydunit::model::event::Provenance;
use whydunit::model::investigation::{EngineFindings, EventLink};
use whydunit::model::ledger::{LedgerRow, LedgerSums};
use whydunit::model::position::{PartitionKey, Position};
use whydunit::model::signal::{BucketRow, Family};
use whydunit::model::suspect::{Suspect, SuspectKind, Verdict};
use whydunit::model::view::ServiceGraph;
use whydunit::model::{Bucket, Event, Severity, Source, Timestamp};

/// A quarter of an hour's beginning, so that buckets and slots begin there too.
const START_S: i64 = 1_774_274_400;

pub fn at(seconds: i64) -> Timestamp {
    Timestamp::from_seconds(START_S + seconds)
}

/// A number that looks random: the same for the same seed and place.
pub fn pick(seed: u64, place: u64) -> u64 {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    bytes[8..].copy_from_slice(&place.to_le_bytes());
    xxhash_rust::xxh3::xxh3_64(&bytes)
}

pub fn shuffle<T>(seed: u64, items: &mut [T]) {
    for index in (1..items.len()).rev() {
        items.swap(index, (pick(seed, index as u64) % (index as u64 + 1)) as usize);
    }
}

pub fn event(id: &str, seconds: i64) -> Event {
    let mut event = Event::new(id.into(), at(seconds), Source::Logs, "error_burst", Severity::High, "connection pool exhausted");
    event.service = Some("checkout".into());
    event.environment = Some("prod".into());
    event
}

pub fn full_event(id: &str, seconds: i64) -> Event {
    Event {
        observed_at: at(seconds + 1),
        host: Some("host-1".into()),
        count: 12,
        first_seen: at(seconds),
        last_seen: at(seconds + 14),
        trace_id: Some("4bf92f3577b34da6".into()),
        span_id: Some("00f067aa".into()),
        correlation_id: Some("c-1".into()),
        request_id: Some("r-1".into()),
        source_id: Some("run/1".into()),
        tags: ["blue".to_owned(), "über".to_owned()].into(),
        data: serde_json::json!({ "exemplars": [{ "line": "Timeout acquiring connection from HikariPool-1" }], "n": 3 }),
        metadata: serde_json::json!({ "ticket": "OPS-1" }),
        provenance: Some(Provenance { connector: "logs".into(), position: position(7), format: "ecs".into() }),
        ..event(id, seconds)
    }
}

/// One of many: service, type, severity, source and time by seed.
pub fn random_event(seed: u64, n: u64) -> Event {
    let random = |salt: u64, of: u64| pick(seed.wrapping_add(salt), n) % of;
    let seconds = random(1, 86_400) as i64;
    let kinds = [
        (Source::Logs, "error_burst"),
        (Source::Logs, "new_error_pattern"),
        (Source::Metrics, "metric_anomaly"),
        (Source::Traces, "slow_call"),
        (Source::Git, "commit"),
        (Source::Ci, "deployment"),
    ];
    let (source, event_type) = kinds[random(6, 6) as usize];
    let words = ["timeout", "refused", "deadlock", "pool", "exhausted", "certificate", "quota", "replica", "latency", "payload"];
    let title = format!("{} {} {}", words[random(2, 10) as usize], words[random(3, 10) as usize], random(4, 100_000));
    let severity = Severity::ALL[(random(5, 100) / 20) as usize];
    let mut event = Event::new(format!("{:032x}", pick(seed, n)), at(seconds), source, event_type, severity, &title);
    event.service = Some(format!("service-{}", random(8, 40)));
    event.environment = Some(["prod", "staging"][random(9, 2) as usize].into());
    event.data = serde_json::json!({ "exemplars": [format!("request {} failed: {title}", random(10, 1_000_000))] });
    if random(11, 10) == 0 {
        event.tags = [format!("tag-{}", random(12, 20))].into();
    }
    if random(13, 5) == 0 {
        event.trace_id = Some(format!("{:016x}", random(14, 10_000)));
    }
    event
}

fn partition() -> PartitionKey {
    PartitionKey { cluster: "c1".into(), topic: "logs".into(), incarnation: 1, partition: 0 }
}

pub fn position(offset: i64) -> Position {
    Position { partition: partition(), offset }
}

pub fn letter(offset: i64) -> DeadLetter {
    DeadLetter {
        timestamp: None,
        id: position(offset).item_id(0),
        connector: "logs".into(),
        position: position(offset),
        key: Some(b"key".to_vec()),
        value: Some(b"\xff\x00not json".to_vec()),
        headers: vec![("own".into(), Some(b"header".to_vec())), ("null".into(), None)],
        error_class: RejectionClass::Malformed,
        error_message: format!("not JSON at {offset}"),
        format: "json".into(),
        bad_items: vec![],
        attempts: 1,
        first_failed_at: at(offset),
        last_failed_at: at(offset),
        fingerprint: "f1".into(),
    }
}

pub fn row(service: &str, bucket: i64, items: u64, failing: u64) -> BucketRow {
    BucketRow {
        bucket: Bucket(Bucket::of(at(0)).0 + bucket),
        source: Source::Logs,
        entity: ServiceName { environment: "prod".into(), service: service.into() },
        items,
        failing,
        in_events: 0,
        late: 0,
    }
}

pub fn ledger_row(next_offset: i64) -> LedgerRow {
    let sums = LedgerSums { records_read: next_offset as u64, ..LedgerSums::default() };
    LedgerRow { connector: "logs".into(), partition: partition(), first_offset: 0, next_offset, topic_id: Some("dG9waWM".into()), sums }
}

pub fn link(event_id: &str) -> EventLink {
    EventLink {
        event_id: event_id.into(),
        confidence: 0.9,
        reason: "same service".into(),
        linked_by: "whydunit".into(),
        linked_at: at(600),
    }
}

pub fn suspect(id: &str, kind: SuspectKind, rank: u32, entity: &str, score: f64) -> Suspect {
    Suspect {
        id: id.into(),
        rank,
        kind,
        entity: entity.into(),
        service: None,
        event_id: None,
        at: None,
        author: None,
        score,
        factors: vec![],
        sentence: format!("{entity} it was"),
        evidence: vec![],
        counter_evidence: vec![],
        diff_hint: None,
        verdict: Verdict::Suspect,
        verdict_comment: None,
        verdict_by: None,
        life: Vec::new(),
    }
}

/// Onset after five minutes, detected a minute later, seen up to ten minutes.
pub fn findings(id: &str, revision: u64) -> EngineFindings {
    EngineFindings {
        id: id.into(),
        revision,
        environment: "prod".into(),
        symptom: "checkout is failing for 14 % of requests".into(),
        headline: "checkout is failing for 14 % of requests since 14:05, after deploy 42".into(),
        where_sentence: "payment owns it".into(),
        impact_severity: Severity::High,
        service_affected: "checkout".into(),
        hot_services: vec!["checkout".into(), "payment".into()],
        services_total: 12,
        detected_at: at(360),
        started_at: at(300),
        recovered_at: None,
        merged_into: None,
        updated_at: at(600),
        confidence: 0.8,
        opened_because: "failures and latency, both strong".into(),
        opened_families: vec![Family::Failures],
        opened_by: Vec::new(),
        suspects: vec![
            suspect("service:payment", SuspectKind::Service, 1, "payment", 0.9),
            suspect("change:deploy", SuspectKind::Change, 1, "deploy 42", 0.8),
            suspect("none", SuspectKind::None, 1, "nothing we can see", 0.1),
        ],
        signals: vec![],
        graph: ServiceGraph::default(),
        learning: vec![],
        new_links: vec![link("a")],
    }
}
