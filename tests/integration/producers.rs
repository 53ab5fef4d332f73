//! Programs that others wrote, as our users run them, through a real Kafka: each of their records must be read, and each must be
//! understood or be a dead letter that says why not.
//!
//! They take minutes to build, so these tests are ignored; `make producers` installs all and runs them.
#![allow(clippy::unwrap_used, clippy::expect_used)]

pub mod agent;
mod alertmanager;
mod collector;
mod lines;
mod telegraf;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use serde_json::Value;

use crate::support::kafka::KafkaServer;
use crate::support::process::{Home, Run};

const PATIENCE: Duration = Duration::from_secs(180);

/// A topic, and the source it belongs to.
struct Topic {
    name: &'static str,
    source: &'static str,
}

/// A running whydunit that reads these topics, each with a connector of the topic's name.
struct Reader {
    home: Home,
    run: Run,
}

impl Reader {
    fn start(server: &KafkaServer, topics: &[Topic]) -> Self {
        let mut settings = format!(
            "[kafka]\nbrokers = \"{}\"\n[pipeline]\nhistory_teaches_s = 0\ncheckpoint_interval_s = 1\n[web]\nlisten = \"127.0.0.1:0\"\n[ops]\nlisten = \"127.0.0.1:0\"\n",
            server.brokers()
        );
        for Topic { name, source } in topics {
            server.create_topic(name, 2, &[]);
            settings += &format!("[connectors.{name}]\nsource = \"{source}\"\ntopics = [\"{name}\"]\nstart = \"earliest\"\n");
        }
        let home = Home::new(&settings);
        let run = home.run();
        Self { home, run }
    }

    /// What became of a topic's records, once all that stands in it is read and booked.
    fn account(&self, server: &KafkaServer, topic: &'static str) -> Account {
        let written = end_of(server, topic);
        self.run.wait_until(&format!("{written} records of {topic} are in the books"), PATIENCE, |run| {
            sum(&run.api("/api/v1/ledger"), topic, "records_read") == written
        });
        let ledger = self.run.api("/api/v1/ledger");
        let connector = self.run.api(&format!("/api/v1/connectors/{topic}"));
        let mix = connector["decode_mix"].as_array().into_iter().flatten();
        Account {
            topic,
            written,
            decoded: sum(&ledger, topic, "records_decoded"),
            rejected: sum(&ledger, topic, "records_rejected") + sum(&ledger, topic, "items_rejected"),
            items: sum(&ledger, topic, "items_decoded"),
            mix: mix.map(|share| (share["format"].as_str().unwrap().to_owned(), share["records"].as_u64().unwrap_or_default())).collect(),
            letters: self.run.api(&format!("/api/v1/dead-letters?connector={topic}&per_page=3")),
        }
    }

    /// All is in the books of what is stored, too.
    fn verify(self) {
        self.run.terminate();
        let output = self.home.command("verify").output().unwrap();
        assert!(output.status.success(), "{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    }
}

/// What became of the records of one topic.
#[derive(Debug)]
struct Account {
    topic: &'static str,
    written: u64,
    decoded: u64,
    rejected: u64,
    items: u64,
    mix: BTreeMap<String, u64>,
    letters: Value,
}

impl Account {
    /// Every record was understood, as these formats and no other.
    fn assert_all_understood(&self, formats: &[&str]) {
        println!("{:<18} {:>7} records  {:>8} items  {} dead letters  {:?}", self.topic, self.written, self.items, self.rejected, self.mix);
        assert!(self.written > 0, "nothing was written to {}", self.topic);
        assert_eq!((self.decoded, self.rejected), (self.written, 0), "{}: {}", self.topic, self.letters);
        assert_eq!(self.mix.keys().map(String::as_str).collect::<Vec<_>>(), formats, "{}", self.topic);
    }
}

/// Records that a topic holds.
fn end_of(server: &KafkaServer, topic: &str) -> u64 {
    let client: BaseConsumer = server.client().create().expect("a client");
    (0..2).map(|partition| client.fetch_watermarks(topic, partition, PATIENCE).expect("the broker answers").1 as u64).sum()
}

/// Waits until a topic holds at least so many records.
fn wait_for(server: &KafkaServer, topic: &str, records: u64) {
    let deadline = Instant::now() + PATIENCE;
    while end_of(server, topic) < records {
        assert!(Instant::now() < deadline, "{topic} holds {} records, not {records}", end_of(server, topic));
        std::thread::park_timeout(Duration::from_millis(100));
    }
}

/// A sum of a connector's books.
fn sum(ledger: &Value, connector: &str, field: &str) -> u64 {
    let books = ledger["connectors"].as_array().into_iter().flatten().find(|books| books["connector"] == connector);
    books.and_then(|books| books["sums"][field].as_u64()).unwrap_or_default()
}
