//! A shop that breaks on a real Kafka, and a topic of it that tells what broke.

use std::time::{Duration, Instant};

use rdkafka::Message as _;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::message::Headers as _;
use serde_json::Value;

use super::receiver::Receiver;
use super::story::{PATIENCE, notifications, states, webhook};
use crate::support::kafka::KafkaServer;
use crate::support::process::Home;
use crate::support::shop::{self, ShopFeed};

/// (key, id, body) of every record of a topic so far.
fn records(server: &KafkaServer, topic: &str, count: usize) -> Vec<(String, String, Value)> {
    let consumer: BaseConsumer = server.client().set("group.id", topic).set("auto.offset.reset", "earliest").create().unwrap();
    consumer.subscribe(&[topic]).unwrap();
    let (mut found, deadline) = (Vec::new(), Instant::now() + PATIENCE);
    while found.len() < count && Instant::now() < deadline {
        let Some(Ok(record)) = consumer.poll(Duration::from_millis(200)) else { continue };
        let text = |bytes: Option<&[u8]>| String::from_utf8(bytes.unwrap_or_default().to_vec()).unwrap();
        let id = record.headers().and_then(|headers| headers.iter().find(|header| header.key == "webhook-id"));
        let body = serde_json::from_slice(record.payload().unwrap()).unwrap();
        found.push((text(record.key()), text(id.and_then(|id| id.value)), body));
    }
    found
}

#[test]
fn what_broke_and_who_is_suspected_is_told_on_a_real_topic_and_to_a_webhook_alike() {
    let server = KafkaServer::shared();
    // Breaks 600 s after its beginning.
    let mut feed = ShopFeed::open(server, "told", 300, &[]);
    let receiver = Receiver::up();
    // The shop lived a while ago; the topic is not there yet.
    let tell = webhook(&receiver).replace("[tell]\n", "[tell]\nmax_age_s = 400000000\n") + "[tell.kafka]\ntopic = \"told.notifications\"\n";
    let home = Home::new(&shop::settings(server, "told", &tell));
    let missing = home.command("tell").output().unwrap();
    let said = String::from_utf8_lossy(&missing.stdout).into_owned();
    assert!(!missing.status.success() && said.contains("topic `told.notifications` is not there"), "{said}");
    let run = home.run();
    feed.write_until(760);
    // Which records are read first is Kafka's choice: by itself too the first suspect may become another.
    run.wait_until("the webhook hears what broke", PATIENCE * 2, |_| {
        receiver.types().first().is_some_and(|first| first == "investigation.opened")
    });
    // A person knows better: the first suspect becomes another.
    let opened = notifications(&run).remove(0);
    let (id, suspect) = (opened["investigation_id"].as_str().unwrap(), opened["suspect"]["id"].as_str().unwrap());
    let verdict = serde_json::json!({ "verdict": "refuted" });
    let judged = run.post(&format!("/api/v1/investigations/{id}/suspects/{suspect}/verdict"), &verdict);
    assert_eq!(judged["id"], id, "{judged}");
    feed.write_to_the_end();
    run.wait_until("all is read", PATIENCE * 2, shop::read_to_the_end);
    run.wait_until("the webhook has heard all", PATIENCE, |run| {
        let states = states(run, "webhook");
        states.len() > 1 && states.iter().all(|state| state == "delivered")
    });
    let told = notifications(&run);
    assert!(states(&run, "kafka").iter().all(|state| state == "waiting"), "{told:?}");
    server.create_topic("told.notifications", 2, &[]);
    run.wait_until("the topic has all", PATIENCE * 3, |run| states(run, "kafka").iter().all(|state| state == "delivered"));
    let records = records(server, "told.notifications", told.len());
    run.terminate();

    for told in &told {
        println!("told: {} {}", told["kind"], told["sentence"]);
    }
    assert_eq!((&told[0]["kind"], &told[1]["kind"]), (&Value::from("opened"), &Value::from("suspect_changed")));
    assert!(told[0]["suspect"]["entity"].as_str().unwrap().contains("payment"), "{}", told[0]);
    assert_ne!(told[1]["suspect"]["id"], suspect, "{}", told[1]);
    for (key, id, body) in &records {
        assert_eq!(&body["data"]["id"], id.as_str());
        assert_eq!(&body["data"]["investigation_id"], key.as_str());
        let same = receiver.taken().into_iter().find(|got| got.header("webhook-id") == id).expect("the webhook heard it too");
        assert_eq!(&same.json(), body);
    }
    assert_eq!(records.len(), told.len());
}
