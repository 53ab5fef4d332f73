//! librdkafka's own in-process cluster, whose answers a test decides.
#![allow(clippy::unwrap_used, clippy::expect_used, unsafe_code)]

use std::cell::Cell;

use rdkafka::ClientConfig;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::types::{RDKafkaApiKey as Api, RDKafkaErrorCode as Code, RDKafkaRespErr};
use rdkafka_sys as sys;
use whydunit::kafka::ConsumerConfig;

use super::feed::{DEADLINE, config_of, unique};

pub const TOPIC: &str = "errors";

/// Two brokers, one topic of one partition on both.
pub struct Cluster {
    owner: BaseProducer,
    /// Records written: their values are the numbers below.
    pub written: Cell<i32>,
}

impl Cluster {
    pub fn start() -> Self {
        let owner: BaseProducer =
            ClientConfig::new().set("test.mock.num.brokers", "2").set("log_level", "0").set("linger.ms", "0").create().unwrap();
        // SAFETY: the cluster belongs to the client and lives as long.
        unsafe {
            let cluster = sys::rd_kafka_handle_mock_cluster(owner.client().native_ptr());
            sys::rd_kafka_mock_group_initial_rebalance_delay_ms(cluster, 0);
            sys::rd_kafka_mock_start_request_tracking(cluster);
        }
        let cluster = Self { owner, written: Cell::new(0) };
        cluster.mock(|mock| mock.create_topic(TOPIC, 1, 2).unwrap());
        cluster
    }

    pub fn mock<T>(&self, act: impl FnOnce(&rdkafka::mocking::MockCluster<'_, rdkafka::producer::DefaultProducerContext>) -> T) -> T {
        act(&self.owner.client().mock_cluster().unwrap())
    }

    /// The next answers to requests of a kind are this error.
    pub fn answer(&self, api: Api, code: Code, times: usize) {
        let error = RDKafkaRespErr::try_from(code as i32).unwrap();
        self.mock(|mock| mock.request_errors(api, &vec![error; times]));
    }

    /// How many requests of a kind have come so far.
    pub fn requests(&self, api: Api) -> usize {
        let mut count = 0;
        // SAFETY: librdkafka gives an array of that many requests, which is ours until it is given back.
        unsafe {
            let all = sys::rd_kafka_mock_get_requests(sys::rd_kafka_handle_mock_cluster(self.owner.client().native_ptr()), &mut count);
            let requests: &[_] = if all.is_null() { &[] } else { std::slice::from_raw_parts(all, count) };
            let wanted = requests.iter().filter(|request| sys::rd_kafka_mock_request_api_key(**request) == api as i16).count();
            sys::rd_kafka_mock_request_destroy_array(all, count);
            wanted
        }
    }

    pub fn write(&self) -> i32 {
        let number = self.written.get();
        self.owner.send(BaseRecord::<str, str>::to(TOPIC).partition(0).payload(&number.to_string())).map_err(|(error, _)| error).unwrap();
        self.owner.flush(DEADLINE).unwrap();
        self.written.set(number + 1);
        number + 1
    }

    pub fn config(&self) -> ConsumerConfig {
        let brokers = self.mock(|mock| mock.bootstrap_servers());
        let mut config = config_of(&brokers, &[TOPIC]);
        config.group = unique("group");
        config.options.session_timeout_ms = 2_000;
        config
            .options
            .properties
            .set("fetch.error.backoff.ms", "5")
            .set("retry.backoff.ms", "5")
            .set("retry.backoff.max.ms", "20")
            .set("fetch.wait.max.ms", "20")
            .set("reconnect.backoff.ms", "5")
            .set("reconnect.backoff.max.ms", "20");
        config
    }
}
