//! `check --connect`: what is wrong with a connector, and what would help.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use whydunit::kafka::check;
use whydunit::kafka::check::Outcome;

use super::feed::{Feed, Seen, Writer, config, config_of, unique};
use super::security::{server as secure_server, topic_with_ten_records, with_scram};
use crate::support::kafka::{ALICE, BOB, KafkaServer};

#[test]
fn a_connector_that_can_run_is_described() {
    let server = KafkaServer::shared();
    let family = unique("described");
    let topic = format!("{family}.logs");
    server.create_topic(&topic, 2, &[("compression.type", "zstd")]);
    let writer = Writer::new(server);
    for number in 0..20_i64 {
        let seen = Seen {
            topic: topic.clone(),
            partition: (number % 2) as i32,
            offset: 0,
            timestamp_ms: Some(1_700_000_000_000 + number * 1_000),
            key: None,
            value: Some(b"x".to_vec()),
            headers: Vec::new(),
        };
        writer.send_whole(&topic, seen.partition, &seen);
    }
    writer.flush();

    let report = check(&config(server, &[&format!("^{family}\\.")]));
    assert!(report.is_ok(), "{report}");
    assert_eq!(report.cluster, [server.brokers()]);
    assert_eq!((report.tls, report.sasl), (Outcome::NotUsed, Outcome::NotUsed));
    let found = &report.topics[0];
    assert_eq!((found.name.as_str(), found.partitions, found.offsets, found.compression.as_str()), (topic.as_str(), 2, 20, "zstd"));
    assert_eq!(found.oldest.unwrap().millis(), 1_700_000_000_000);
    assert_eq!(found.newest.unwrap().millis(), 1_700_000_019_000);
}

#[test]
fn what_is_not_there_is_named() {
    let server = KafkaServer::shared();
    let report = check(&config(server, &["not-there", "^nothing-.*"]));
    let told = report.to_string();
    assert!(told.contains("topic `not-there` is not there"), "{told}");
    assert!(told.contains("`^nothing-.*` matches none"), "{told}");
    assert_eq!(report.problems.len(), 2);
}

#[test]
fn a_broker_that_does_not_answer_is_named() {
    let report = check(&config_of("127.0.0.1:1", &["logs"]));
    let told = report.to_string();
    assert!(told.contains("no broker of `127.0.0.1:1` can be reached"), "{told}");
    assert_eq!(report.problems.len(), 1);
}

#[test]
fn logins_and_certificates_are_judged_apart() {
    let report = check(&with_scram("secret", "SCRAM-SHA-256", ("alice", "guessed")));
    assert_eq!((report.tls, report.sasl), (Outcome::Ok, Outcome::Failed), "{report}");
    assert!(report.to_string().contains("sasl.password"), "{report}");

    let mut config = with_scram("secret", "SCRAM-SHA-256", ALICE);
    config.options.brokers = secure_server().scram_brokers("127.0.0.1");
    let report = check(&config);
    assert_eq!((report.tls, report.sasl), (Outcome::Failed, Outcome::NotReached), "{report}");
    assert!(report.to_string().contains("another host name"), "{report}");

    let topic = topic_with_ten_records();
    let report = check(&with_scram(&topic, "SCRAM-SHA-512", ALICE));
    assert_eq!((report.tls, report.sasl), (Outcome::Ok, Outcome::Ok), "{report}");
    assert!(report.is_ok(), "{report}");
    assert!(report.topics[0].newest.is_some());
}

#[test]
fn the_grants_it_prints_are_the_ones_that_are_missing() {
    let topic = topic_with_ten_records();
    let config = with_scram(&topic, "SCRAM-SHA-256", BOB);
    for _ in 0..3 {
        let report = check(&config);
        if report.is_ok() {
            break;
        }
        for problem in &report.problems {
            let grant = problem.grant.as_ref().unwrap_or_else(|| panic!("{report}"));
            secure_server().run_acls(grant);
        }
    }
    let report = check(&config);
    assert!(report.is_ok(), "{report}");
    let mut feed = Feed::start(config);
    feed.until("the records", |feed| feed.seen.len() >= 10);
    assert_eq!(feed.troubles, []);
}
