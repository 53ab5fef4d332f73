//! Brokers that want to know who we are, and that we know who they are.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::sync::OnceLock;

use whydunit::kafka::ConsumerConfig;
use whydunit::kafka::trouble::class;

use super::feed::{Feed, Writer, config, unique};
use crate::support::kafka::{ALICE, BOB, KafkaServer};

pub fn server() -> &'static KafkaServer {
    static SERVER: OnceLock<KafkaServer> = OnceLock::new();
    SERVER.get_or_init(KafkaServer::start_secure)
}

pub fn topic_with_ten_records() -> String {
    let topic = unique("secret");
    server().create_topic(&topic, 1, &[]);
    Writer::new(server()).numbers(&topic, 1, 0..10);
    topic
}

pub fn with_scram(topic: &str, mechanism: &str, (user, password): (&str, &str)) -> ConsumerConfig {
    let mut config = config(server(), &[topic]);
    config.options.brokers = server().scram_brokers("localhost");
    let ca = server().certificates().ca.display().to_string();
    config
        .options
        .properties
        .set("security.protocol", "SASL_SSL")
        .set("sasl.mechanisms", mechanism)
        .set("sasl.username", user)
        .set("sasl.password", password)
        .set("ssl.ca.location", ca);
    config
}

fn with_certificate(topic: &str) -> ConsumerConfig {
    let mut config = config(server(), &[topic]);
    config.options.brokers = server().mutual_brokers();
    let files = server().certificates();
    config
        .options
        .properties
        .set("security.protocol", "SSL")
        .set("ssl.ca.location", files.ca.display().to_string())
        .set("ssl.certificate.location", files.client_certificate.display().to_string())
        .set("ssl.key.location", files.client_key.display().to_string());
    config
}

/// The message of the first trouble of a class.
fn told(config: ConsumerConfig, class: &str) -> String {
    let mut feed = Feed::start(config);
    feed.until(class, |feed| feed.has_trouble(class));
    assert_eq!(feed.seen.len(), 0);
    let message = feed.troubles.iter().find(|trouble| trouble.class == class).unwrap().message.clone();
    assert!(!feed.troubles.iter().any(|trouble| trouble.permanent));
    feed.stop();
    message
}

#[test]
fn scram_over_tls_connects_with_both_mechanisms() {
    let topic = topic_with_ten_records();
    for mechanism in ["SCRAM-SHA-256", "SCRAM-SHA-512"] {
        let mut feed = Feed::start(with_scram(&topic, mechanism, ALICE));
        feed.until("the records", |feed| feed.seen.len() >= 10);
        assert_eq!(feed.troubles, []);
    }
}

#[test]
fn a_client_certificate_connects() {
    let topic = topic_with_ten_records();
    let mut feed = Feed::start(with_certificate(&topic));
    feed.until("the records", |feed| feed.seen.len() >= 10);
    assert_eq!(feed.troubles, []);
}

#[test]
fn a_wrong_password_is_named() {
    let message = told(with_scram("secret", "SCRAM-SHA-256", ("alice", "guessed")), class::AUTHENTICATION_FAILED);
    assert!(message.contains("sasl.password"), "{message}");
    assert!(!message.contains("guessed"), "{message}");
}

#[test]
fn a_mechanism_the_broker_does_not_offer_is_named() {
    let message = told(with_scram("secret", "PLAIN", ALICE), class::AUTHENTICATION_FAILED);
    assert!(message.contains("sasl.mechanisms"), "{message}");
}

#[test]
fn a_wrong_authority_is_named() {
    let mut config = with_scram("secret", "SCRAM-SHA-256", ALICE);
    config.options.properties.set("ssl.ca.location", server().certificates().other_ca.display().to_string());
    let message = told(config, class::TLS_FAILED);
    assert!(message.contains("not signed by the CA in `ssl.ca.location`"), "{message}");
}

#[test]
fn a_wrong_host_name_is_named() {
    let mut config = with_scram("secret", "SCRAM-SHA-256", ALICE);
    // The certificate is for `localhost`.
    config.options.brokers = server().scram_brokers("127.0.0.1");
    let message = told(config, class::TLS_FAILED);
    assert!(message.contains("another host name"), "{message}");
}

#[test]
fn a_missing_client_certificate_is_named() {
    let mut config = with_certificate("secret");
    let ca = server().certificates().ca.display().to_string();
    config.options.properties = Default::default();
    config.options.properties.set("security.protocol", "SSL").set("ssl.ca.location", ca);
    let message = told(config, class::TLS_FAILED);
    assert!(message.contains("ssl.certificate.location"), "{message}");
}

#[test]
fn a_file_that_is_not_there_stops_the_start() {
    let mut config = with_certificate("secret");
    config.options.properties.set("ssl.ca.location", "/not/there.pem");
    let offsets = std::sync::Arc::new(super::feed::Stored::default());
    let error = whydunit::kafka::start(config, offsets).err().expect("a file that is not there").to_string();
    assert!(error.contains("ssl.ca.location"), "{error}");
}

#[test]
fn a_user_without_rights_is_told_so() {
    let topic = topic_with_ten_records();
    let message = told(with_scram(&topic, "SCRAM-SHA-256", BOB), class::NOT_AUTHORIZED);
    assert!(message.contains("check --connect"), "{message}");
}

#[test]
fn tls_spoken_to_a_port_without_it_is_told_so() {
    let mut config = with_scram("secret", "SCRAM-SHA-256", ALICE);
    config.options.brokers = server().brokers();
    let mut feed = Feed::start(config);
    feed.until("a trouble", |feed| !feed.troubles.is_empty());
    let message = &feed.troubles[0].message;
    assert!(message.contains("TLS"), "{message}");
}
