//! A database with something of everything, made by the pipeline itself.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use rusqlite::Connection;
use whydunit::app::feed::{MemoryRecord, MemoryTopic};
use whydunit::app::recorded::{Run, Through, run_into, store_options};
use whydunit::app::verify;
use whydunit::engine::correlate::CorrelateOptions;
use whydunit::engine::decode::DecodeOptions;
use whydunit::engine::detect::DetectOptions;
use whydunit::model::command::{Action, Command, LetterSelection, NewInvestigation};
use whydunit::model::ports::StoreWriter;
use whydunit::model::verify::Verdict;
use whydunit::model::{Event, Severity, Source, Timestamp};
use whydunit::simulator::{self, Shop};
use whydunit::store::{self, Options};

/// 14:00 on a working day.
pub const START: i64 = 1_763_388_000;
const SECONDS: u32 = 600;

pub fn at(second: i64) -> Timestamp {
    Timestamp::from_seconds(START + second)
}

/// A folder with a copy of the good database, to be spoiled.
pub struct Copy {
    pub folder: tempfile::TempDir,
}

impl Copy {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::copy(good(), folder.path().join("whydunit.db")).unwrap();
        Self { folder }
    }

    pub fn path(&self) -> PathBuf {
        self.folder.path().join("whydunit.db")
    }

    pub fn options(&self) -> Options {
        Options::file(self.path())
    }

    /// Changes it as no whydunit would; how many rows that concerns.
    pub fn spoil(&self, sql: &str) -> usize {
        let connection = Connection::open(self.path()).unwrap();
        connection.pragma_update(None, "foreign_keys", false).unwrap();
        connection.execute(sql, []).unwrap()
    }

    pub fn number(&self, sql: &str) -> i64 {
        Connection::open(self.path()).unwrap().query_row(sql, [], |row| row.get(0)).unwrap()
    }

    pub fn verify(&self) -> Verdict {
        verify::database(&self.options()).unwrap()
    }
}

/// The good database, made once for all tests.
pub fn good() -> &'static Path {
    static GOOD: OnceLock<(tempfile::TempDir, PathBuf)> = OnceLock::new();
    &GOOD
        .get_or_init(|| {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("good.db");
            make(&path);
            (folder, path)
        })
        .1
}

fn make(path: &Path) {
    let run = Run {
        topics: topics(),
        decode: DecodeOptions::default(),
        detect: DetectOptions { learning_s: 120, ..DetectOptions::default() },
        correlate: CorrelateOptions::default(),
        shards: 2,
        store: "a good database".to_owned(),
        through: Through::Memory,
    };
    // A store in memory lives as long as one connection to it is open.
    let mut keeper = store::open_writer(&store_options(&run)).unwrap();
    people_write(&mut keeper);
    let options = store_options(&run);
    let open = move || Ok(Box::new(store::open_writer(&options)?) as Box<dyn StoreWriter>);
    run_into(&run, open.clone()).unwrap();
    let select = LetterSelection::Connector("manual-b".to_owned());
    execute(&mut keeper, Action::ReplayDeadLetters { select, edited: None });
    let select = LetterSelection::Connector("metrics".to_owned());
    execute(&mut keeper, Action::ReplayDeadLetters { select, edited: None });
    run_into(&run, open).unwrap();
    let name: String = run.store.bytes().map(|byte| format!("{byte:02x}")).collect();
    let memory = Connection::open(format!("file:/whydunit-{name}?vfs=memdb")).unwrap();
    memory.backup("main", path, None).unwrap();
}

fn execute(writer: &mut store::SqliteWriter, action: Action) {
    writer.execute(&Command { who: "ada".into(), idempotency_key: None, expected_version: None, action }, at(0)).unwrap();
}

fn people_write(writer: &mut store::SqliteWriter) {
    let event = Event::new("0198-by-hand".into(), at(100), Source::Manual, "note", Severity::Info, "rebooted the switch");
    execute(writer, Action::CreateEvent { event: Box::new(event) });
    let new = NewInvestigation { title: "Is it the switch?".into(), ..NewInvestigation::default() };
    execute(writer, Action::CreateInvestigation { id: "0198f000-0000-7000-8000-000000000001".into(), new: Box::new(new) });
}

fn record(value: impl Into<Vec<u8>>, second: i64) -> MemoryRecord {
    MemoryRecord { key: None, value: Some(value.into()), headers: Vec::new(), timestamp: at(second) }
}

fn topic(connector: &str, source: Source, records: Vec<MemoryRecord>) -> MemoryTopic {
    MemoryTopic { connector: connector.into(), source, topic: connector.into(), records: Arc::new(records) }
}

/// Notes, some of which name the same event; every tenth is no note.
fn notes(connector: &str, count: i64) -> MemoryTopic {
    let note = |n: i64| {
        if n % 10 == 9 {
            return record(format!("\u{1}\u{2}no note {n}"), n);
        }
        let mut note =
            serde_json::json!({ "type": "note", "title": format!("note {n} of {connector}"), "timestamp": at(n), "service": "cart" });
        if n % 3 == 0 {
            note["source_id"] = format!("note/{}", n % 30).into();
        }
        record(note.to_string(), n)
    };
    topic(connector, Source::Manual, (0..count).map(note).collect())
}

/// The shop that breaks, with records that cannot be read among its own, one of them only in part.
fn topics() -> Vec<MemoryTopic> {
    let options =
        simulator::Options { fault: Some("bad-deploy".to_owned()), history_s: SECONDS, fault_age_s: 180, rate: 3.0, ..Default::default() };
    let mut shop = Shop::new(options, at(0)).unwrap();
    let records = shop.step(at(i64::from(SECONDS)));
    let mut topics = Vec::new();
    for source in [Source::Git, Source::Ci, Source::Metrics, Source::Logs, Source::Traces] {
        let mut ours: Vec<MemoryRecord> = Vec::new();
        for (index, found) in records.iter().filter(|record| record.source == source).enumerate() {
            ours.push(MemoryRecord {
                key: found.key.clone(),
                value: Some(found.value.clone()),
                headers: found.headers.clone(),
                timestamp: found.timestamp,
            });
            if index % 40 == 7 {
                ours.push(record("{\"half\":", 60));
            }
        }
        if source == Source::Metrics {
            ours.insert(20, record(half_a_metric(), 60));
        }
        topics.push(topic(source.as_str(), source, ours));
    }
    topics.push(notes("manual-a", 120));
    topics.push(notes("manual-b", 90));
    topics
}

/// Three points, of which two have no value.
fn half_a_metric() -> String {
    let nanos = at(60).nanos().to_string();
    let point = |value: &str| format!(r#"{{"timeUnixNano":"{nanos}"{value}}}"#);
    let points = [point(""), point(r#","asDouble":2"#), point("")].join(",");
    format!(
        r#"{{"resourceMetrics":[{{"resource":{{"attributes":[{{"key":"service.name","value":{{"stringValue":"cart"}}}}]}},"scopeMetrics":[{{"metrics":[{{"name":"queue","gauge":{{"dataPoints":[{points}]}}}}]}}]}}]}}"#
    )
}
