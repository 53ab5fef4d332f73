//! Every error a broker can answer with, on every kind of request a consumer makes, against librdkafka's own in-process
//! cluster: told with the class and the fate of the table, or repaired without a word; and nothing is lost or read twice.
#![allow(clippy::unwrap_used, clippy::expect_used, unsafe_code)]

use std::sync::Arc;

use rdkafka::types::{RDKafkaApiKey as Api, RDKafkaErrorCode as Code, RDKafkaRespErr};
use rdkafka_sys as sys;
use whydunit::kafka::ConsumerConfig;
use whydunit::kafka::error_table::{Lasting, error_class, table};
use whydunit::kafka::trouble::class;

use super::feed::{Feed, Stored};
use super::in_process::{Cluster, TOPIC};

/// What became of one error.
#[derive(Debug, PartialEq)]
enum Outcome {
    /// Nobody noticed.
    Repaired,
    /// Told as that class, and over by itself.
    Told(String),
    /// Told as that class, and the feed ended with the reason.
    Ended(String),
}

/// Writes a record while the error is on, and reads until it has come, through a restart of the feed if that ended.
fn outcome(cluster: &Cluster, api: Api, feed: &mut Feed, config: &ConsumerConfig) -> Outcome {
    let already = feed.troubles.len();
    let expected = cluster.write() as usize;
    if feed.until_or_end(|feed| feed.seen.len() == expected) {
        let told = feed.troubles.get(already).map(|trouble| (trouble.class.clone(), trouble.permanent));
        return match told {
            None => Outcome::Repaired,
            Some((class, permanent)) => {
                assert!(!permanent, "{class} is permanent, and the feed went on");
                Outcome::Told(class)
            }
        };
    }
    let trouble = feed.troubles.last().expect("a feed that ends says why").clone();
    assert!(feed.ended.clone().flatten().is_some_and(|reason| !reason.is_empty()), "ended without a reason");
    // The cause is gone, and a person resets the connector.
    cluster.mock(|mock| mock.clear_request_errors(api));
    let seen = std::mem::take(&mut feed.seen);
    *feed = Feed::resume(config.clone(), Arc::clone(&feed.stored));
    feed.seen = seen;
    feed.until("the record after the reset", |feed| feed.seen.len() == expected);
    Outcome::Ended(trouble.class)
}

fn assert_as_in_the_table(api: &str, code: Code, outcome: &Outcome) {
    let known = error_class(code);
    match outcome {
        // Fenced members of a group fail as a client, whatever the code that fenced them.
        Outcome::Ended(class) => {
            assert!(known.class == class && known.lasting == Lasting::Permanent, "{api} {code:?}: {outcome:?}, {known:?}")
        }
        Outcome::Told(class) => {
            assert!(known.class == class && known.lasting == Lasting::Transient, "{api} {code:?}: {outcome:?}, {known:?}")
        }
        Outcome::Repaired => assert!(known.lasting != Lasting::Permanent, "{api} {code:?}: permanent, and nobody noticed"),
    }
}

fn assert_each_once(feed: &Feed, written: i32) {
    let values: Vec<i32> = feed.values().iter().map(|value| value.parse().unwrap()).collect();
    assert_eq!(values, (0..written).collect::<Vec<_>>());
}

fn of_brokers() -> impl Iterator<Item = Code> {
    table().map(|known| known.code).filter(|code| *code as i32 > 0)
}

#[test]
fn each_error_of_a_fetch_ends_as_the_table_says() {
    let (cluster, api) = (Cluster::start(), Api::Fetch);
    let config = cluster.config();
    let mut feed = Feed::start(config.clone());
    let first = cluster.write() as usize;
    feed.until("the first record", |feed| feed.seen.len() == first);
    let mut told = 0;
    for code in of_brokers() {
        cluster.answer(Api::Fetch, code, 2);
        let outcome = outcome(&cluster, api, &mut feed, &config);
        assert_as_in_the_table("Fetch", code, &outcome);
        told += u32::from(outcome != Outcome::Repaired);
        cluster.mock(|mock| mock.clear_request_errors(Api::Fetch));
    }
    assert!(told > 40, "only {told} errors were told at all");
    assert_each_once(&feed, cluster.written.get());
}

/// Requests made when a connector starts: a feed of its own for each error.
fn errors_at_the_start(api: Api, name: &str, times: usize, expected: &[(Code, Outcome)]) {
    let cluster = Cluster::start();
    for (code, expected) in expected {
        let config = cluster.config();
        cluster.answer(api, *code, times);
        let mut feed = Feed::resume(config.clone(), Arc::new(Stored::at(TOPIC, 0, 0, i64::from(cluster.written.get()))));
        let before = cluster.written.get();
        feed.seen = (0..before).map(|number| super::feed::Seen::of(TOPIC, number)).collect();
        let outcome = outcome(&cluster, api, &mut feed, &config);
        cluster.mock(|mock| mock.clear_request_errors(api));
        assert_as_in_the_table(name, *code, &outcome);
        assert_eq!(outcome, *expected, "{name} {code:?}: {:?}", feed.troubles);
        assert_each_once(&feed, cluster.written.get());
    }
}

fn told(class: &str) -> Outcome {
    Outcome::Told(class.to_owned())
}

fn ended(class: &str) -> Outcome {
    Outcome::Ended(class.to_owned())
}

#[test]
fn each_error_of_looking_up_offsets_ends_as_the_table_says() {
    errors_at_the_start(
        Api::ListOffsets,
        "ListOffsets",
        1,
        &[
            (Code::LeaderNotAvailable, Outcome::Repaired),
            (Code::NotLeaderForPartition, Outcome::Repaired),
            (Code::FencedLeaderEpoch, Outcome::Repaired),
            (Code::UnknownLeaderEpoch, Outcome::Repaired),
            (Code::OffsetNotAvailable, Outcome::Repaired),
            (Code::ReplicaNotAvailable, Outcome::Repaired),
            (Code::RequestTimedOut, Outcome::Repaired),
            (Code::BrokerTransportFailure, Outcome::Repaired),
            (Code::UnknownTopicOrPartition, told(class::UNKNOWN_TOPIC)),
            (Code::KafkaStorageError, told(class::BROKER_ERROR)),
            (Code::TopicAuthorizationFailed, told(class::NOT_AUTHORIZED)),
            (Code::UnsupportedForMessageFormat, told(class::BROKER_ERROR)),
            (Code::Unknown, told(class::BROKER_ERROR)),
        ],
    );
}

#[test]
fn each_error_of_finding_the_coordinator_ends_as_the_table_says() {
    errors_at_the_start(
        Api::FindCoordinator,
        "FindCoordinator",
        2,
        &[
            (Code::CoordinatorNotAvailable, Outcome::Repaired),
            (Code::CoordinatorLoadInProgress, Outcome::Repaired),
            (Code::NotCoordinator, Outcome::Repaired),
            (Code::RequestTimedOut, Outcome::Repaired),
            (Code::BrokerTransportFailure, Outcome::Repaired),
            (Code::GroupAuthorizationFailed, told(class::NOT_AUTHORIZED)),
            // `Unknown` is told or repaired, whichever comes first: both are right, so neither is asked for.
            (Code::InvalidGroupId, ended(class::GROUP_REFUSED)),
        ],
    );
}

#[test]
fn each_error_of_joining_the_group_ends_as_the_table_says() {
    errors_at_the_start(
        Api::JoinGroup,
        "JoinGroup",
        1,
        &[
            (Code::CoordinatorLoadInProgress, Outcome::Repaired),
            (Code::CoordinatorNotAvailable, Outcome::Repaired),
            (Code::NotCoordinator, Outcome::Repaired),
            (Code::RebalanceInProgress, Outcome::Repaired),
            (Code::IllegalGeneration, Outcome::Repaired),
            (Code::UnknownMemberId, Outcome::Repaired),
            (Code::MemberIdRequired, Outcome::Repaired),
            (Code::RequestTimedOut, Outcome::Repaired),
            (Code::BrokerTransportFailure, Outcome::Repaired),
            (Code::GroupMaxSizeReached, told(class::GROUP_REFUSED)),
            (Code::GroupAuthorizationFailed, told(class::NOT_AUTHORIZED)),
            (Code::Unknown, told(class::BROKER_ERROR)),
            (Code::InvalidSessionTimeout, ended(class::GROUP_REFUSED)),
            (Code::InconsistentGroupProtocol, ended(class::GROUP_REFUSED)),
            (Code::InvalidGroupId, ended(class::GROUP_REFUSED)),
            (Code::FencedInstanceId, ended(class::FENCED)),
        ],
    );
}

#[test]
fn each_error_of_taking_the_assignment_ends_as_the_table_says() {
    errors_at_the_start(
        Api::SyncGroup,
        "SyncGroup",
        1,
        &[
            (Code::CoordinatorNotAvailable, Outcome::Repaired),
            (Code::NotCoordinator, Outcome::Repaired),
            (Code::RebalanceInProgress, Outcome::Repaired),
            (Code::IllegalGeneration, Outcome::Repaired),
            (Code::UnknownMemberId, Outcome::Repaired),
            (Code::BrokerTransportFailure, Outcome::Repaired),
            // Joined again.
            (Code::GroupAuthorizationFailed, Outcome::Repaired),
            (Code::FencedInstanceId, ended(class::FENCED)),
        ],
    );
}

#[test]
fn each_error_of_a_heartbeat_ends_as_the_table_says() {
    let (cluster, api) = (Cluster::start(), Api::Heartbeat);
    for (code, expected) in [
        (Code::CoordinatorNotAvailable, Outcome::Repaired),
        (Code::NotCoordinator, Outcome::Repaired),
        (Code::RebalanceInProgress, Outcome::Repaired),
        (Code::IllegalGeneration, Outcome::Repaired),
        (Code::UnknownMemberId, Outcome::Repaired),
        (Code::BrokerTransportFailure, Outcome::Repaired),
        (Code::FencedInstanceId, ended(class::FENCED)),
    ] {
        let config = cluster.config();
        let mut feed = Feed::start(config.clone());
        let written = cluster.write() as usize;
        feed.until("what is there", |feed| feed.seen.len() == written && feed.at_end(TOPIC, 1));
        cluster.answer(Api::Heartbeat, code, 1);
        let before = cluster.requests(Api::Heartbeat);
        match expected {
            Outcome::Ended(_) => drop(feed.until_ended()),
            // It asks again once it has taken the answer.
            _ => feed.until("the error and the heartbeat after it", |_| cluster.requests(Api::Heartbeat) >= before + 2),
        }
        let outcome = outcome(&cluster, api, &mut feed, &config);
        cluster.mock(|mock| mock.clear_request_errors(Api::Heartbeat));
        assert_eq!(outcome, expected, "Heartbeat {code:?}: {:?}", feed.troubles);
        assert_each_once(&feed, cluster.written.get());
    }
}

#[test]
fn each_error_of_the_metadata_ends_as_the_table_says() {
    let (cluster, api) = (Cluster::start(), Api::Metadata);
    for (code, expected) in [
        (Code::LeaderNotAvailable, told(class::UNKNOWN_TOPIC)),
        (Code::UnknownTopicOrPartition, told(class::UNKNOWN_TOPIC)),
        (Code::TopicAuthorizationFailed, told(class::NOT_AUTHORIZED)),
        (Code::InvalidTopic, told(class::UNKNOWN_TOPIC)),
    ] {
        let config = cluster.config();
        let set = |code: Code| cluster.mock(|mock| mock.topic_error(TOPIC, RDKafkaRespErr::try_from(code as i32).unwrap()).unwrap());
        set(code);
        let mut feed = Feed::start(config.clone());
        feed.until("the trouble", |feed| !feed.troubles.is_empty());
        set(Code::NoError);
        let outcome = outcome(&cluster, api, &mut feed, &config);
        assert_eq!(outcome, Outcome::Repaired, "over once the cause is gone");
        let first = told(&feed.troubles[0].class);
        assert_eq!(first, expected, "Metadata {code:?}: {:?}", feed.troubles);
        assert_each_once(&feed, cluster.written.get());
    }
}

#[test]
fn every_error_of_the_client_library_stands_in_the_table_once() {
    let mut known: Vec<i32> = table().map(|known| known.code as i32).collect();
    known.sort_unstable();
    let (mut descriptions, mut count) = (std::ptr::null(), 0);
    // SAFETY: librdkafka fills in a static array and its length.
    let all = unsafe {
        sys::rd_kafka_get_err_descs(&mut descriptions, &mut count);
        std::slice::from_raw_parts(descriptions, count)
    };
    let mut expected: Vec<i32> = all
        .iter()
        .filter(|description| !description.name.is_null())
        .map(|description| description.code as i32)
        // Markers where librdkafka's own codes begin and end.
        .filter(|code| *code != -200 && *code != -100)
        .collect();
    expected.sort_unstable();
    assert_eq!(known, expected);
    for class in table().map(|known| known.class) {
        assert!(!class::meaning(class).is_empty(), "{class} has no meaning");
    }
}
