//! `check --connect`: what is wrong with a connector, and what would help.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use whydunit::kafka::check;
use whydunit::kafka::check::Outcome;

use super::feed::{Feed, Seen, Writer, config, config_of, unique};
use super::security::{server as secure_server, topic_with_ten_records, with_scram};
use crate::support::kafka::{ALICE, BOB, KafkaServer};
use crate::support::process::Home;

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
fn a_wrong_authority_is_named() {
    let mut config = with_scram("secret", "SCRAM-SHA-256", ALICE);
    config.options.properties.set("ssl.ca.location", secure_server().certificates().other_ca.display().to_string());
    let report = check(&config);
    assert_eq!((report.tls, report.sasl), (Outcome::Failed, Outcome::NotReached), "{report}");
    assert!(report.to_string().contains("not signed by the CA in `ssl.ca.location`"), "{report}");
}

/// What a right is needed for is found without it being used: the topic is empty, and nobody joins the group.
#[test]
fn each_missing_permission_is_named_in_one_go_though_there_is_nothing_to_read() {
    let server = secure_server();
    let topic = unique("empty");
    server.create_topic(&topic, 1, &[]);
    let allow = |what: &str| server.run_acls(&format!("kafka-acls.sh --bootstrap-server here --add --allow-principal User:bob {what}"));
    allow(&format!("--operation Describe --topic {topic}"));
    let mut config = with_scram(&topic, "SCRAM-SHA-256", BOB);
    config.group = format!("whydunit-{topic}");
    allow(&format!("--operation Describe --group {}", config.group));
    let report = check(&config);
    let told: Vec<_> = report.problems.iter().map(|problem| problem.message.as_str()).collect();
    let expected =
        [format!("topic `{topic}` may not be read (Read)"), format!("the consumer group `{}` may not be joined (Read)", config.group)];
    assert_eq!(told, expected, "{report}");
    assert_eq!(report.topics[0].compression, "unknown (needs DescribeConfigs)");
    let grants: Vec<_> = report.problems.iter().map(|problem| problem.grant.clone().unwrap()).collect();
    assert!(grants[1].contains("--group 'whydunit-' --resource-pattern-type prefixed"), "{grants:?}");

    allow(&format!("--operation Read --topic {topic}"));
    allow(&format!("--operation Read --group {}", config.group));
    assert!(check(&config).is_ok());
}

#[test]
fn the_command_line_says_per_source_what_it_found_and_fails_when_one_cannot_read() {
    let server = KafkaServer::shared();
    let topic = unique("command-line");
    server.create_topic(&topic, 3, &[("compression.type", "lz4")]);
    Writer::new(server).numbers(&topic, 3, 0..30);
    let settings = |more: &str| {
        format!("[kafka]\nbrokers = \"{}\"\n[connectors.good]\nsource = \"logs\"\ntopics = [\"{topic}\"]\n{more}", server.brokers())
    };
    let run = |more: &str| {
        let output = Home::new(&settings(more)).command("check").arg("--connect").output().unwrap();
        (output.status.success(), String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    let (success, told, _) = run("");
    assert!(success, "{told}");
    for part in ["good: ok", "3 partitions, up to 30 records", "compression lz4", "GiB free", "TLS not used, login not used"] {
        assert!(told.contains(part), "{part} is not in {told}");
    }
    let (success, told, why) = run("[connectors.bad]\nsource = \"traces\"\ntopics = [\"^no-such-.*\"]\n");
    assert!(!success && told.contains("bad: NOT OK") && told.contains("good: ok"), "{told}");
    assert!(why.contains("1 of 2 connectors cannot read"), "{why}");
}

#[test]
fn every_error_is_listed_with_its_fate_and_settings_change_it() {
    let home = Home::new("[kafka]\npermanent_errors = [\"TOPIC_AUTHORIZATION_FAILED\"]\n");
    let told = String::from_utf8(home.command("check").arg("--errors").output().unwrap().stdout).unwrap();
    let line = |name: &str| told.lines().find(|line| line.split_whitespace().nth(1) == Some(name)).unwrap().trim_start().to_owned();
    assert!(line("TOPIC_AUTHORIZATION_FAILED").starts_with("permanent"), "{told}");
    assert!(line("GROUP_AUTHORIZATION_FAILED").starts_with("transient"));
    assert!(line("FENCED_INSTANCE_ID").starts_with("permanent"));
    assert!(line("_TRANSPORT").starts_with("passing"));
    let output = Home::new("[kafka]\ntransient_errors = [\"NO_SUCH\"]\n").command("check").output().unwrap();
    let why = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && why.contains("kafka.transient_errors: no error is called `NO_SUCH`"), "{why}");
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
