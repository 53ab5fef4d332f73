//! Looks at a connector's cluster as the connector would: who answers, which topics match, what may be read.
//!
//! Reads without joining the consumer group, so that a running whydunit is not disturbed.

mod contents;
mod extents;
mod grants;
mod report;

use std::sync::Arc;
use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions, ResourceSpecifier};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError as NativeError;
use rdkafka::metadata::Metadata;
use rdkafka::types::{RDKafkaErrorCode as Code, RDKafkaRespErr};
use serde::Serialize;

use crate::clock;
use crate::kafka::client::{base_config, is_for_another_host};
use crate::kafka::consumer::ConsumerConfig;
use crate::kafka::context::{Context, Note};
use crate::kafka::error_table::{Lasting, error_class};
use crate::kafka::native::{Admin, Granted};
use crate::kafka::trouble::{WRONG_HOST, class, is_connection_error, is_tls_error, is_unclear};
use crate::kafka::wait::block_on;
use crate::model::Timestamp;
pub(super) use extents::ask as offsets;
pub use extents::extents;
use grants::Grants;

/// How long one question to a cluster that has answered before may take.
const ASK_WAIT: Duration = Duration::from_secs(15);
/// The same for the first question, asked again with more patience while nothing is known: a broker may be slow.
const FIRST_WAITS: [Duration; 4] = [Duration::from_secs(1), Duration::from_secs(2), Duration::from_secs(4), Duration::from_secs(8)];
/// So often a connection may break before it counts as refused: a broker may be starting.
const BROKEN_TRIES: usize = 2;

/// What was found for one connector. It can run when there are no problems.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ConnectorCheck {
    pub connector: String,
    pub brokers: String,
    pub group: String,
    /// Brokers the cluster named.
    pub cluster: Vec<String>,
    pub tls: Outcome,
    pub sasl: Outcome,
    pub topics: Vec<TopicCheck>,
    pub problems: Vec<CheckProblem>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The settings do not ask for it.
    #[default]
    NotUsed,
    Ok,
    Failed,
    /// The connection broke before.
    NotReached,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TopicCheck {
    pub name: String,
    pub partitions: u32,
    /// Offsets the broker has, an upper bound of the records.
    pub offsets: u64,
    pub oldest: Option<Timestamp>,
    pub newest: Option<Timestamp>,
    /// The topic's `compression.type`; `producer` means as the producers chose, `unknown …` that it may not be asked.
    pub compression: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CheckProblem {
    pub message: String,
    /// Command that grants the missing permission.
    pub grant: Option<String>,
}

impl ConnectorCheck {
    pub fn is_ok(&self) -> bool {
        self.problems.is_empty()
    }

    fn problem(&mut self, message: impl Into<String>, grant: Option<String>) {
        let problem = CheckProblem { message: message.into(), grant };
        if !self.problems.contains(&problem) {
            self.problems.push(problem);
        }
    }
}

/// Checks one connector. Blocks for some seconds at most; longer when brokers do not answer.
pub fn check(config: &ConsumerConfig) -> ConnectorCheck {
    let brokers = config.source.brokers.as_ref().unwrap_or(&config.options.brokers).clone();
    let mut report =
        ConnectorCheck { connector: config.connector.to_string(), brokers, group: config.group.clone(), ..ConnectorCheck::default() };
    for problem in config.options.validate().into_iter().chain(config.source.validate()) {
        report.problem(problem.to_string(), None);
    }
    if !report.is_ok() {
        return report;
    }
    match Checker::new(config) {
        Ok(checker) => checker.run(&mut report),
        Err(error) => report.problem(crate::kafka::KafkaError::from(error).to_string(), None),
    }
    report
}

fn may_not_read(topic: &str) -> String {
    format!("topic `{topic}` may not be read (Read)")
}

struct Checker<'c> {
    config: &'c ConsumerConfig,
    consumer: Arc<BaseConsumer<Context>>,
    grants: Grants,
}

impl<'c> Checker<'c> {
    fn new(config: &'c ConsumerConfig) -> Result<Self, NativeError> {
        let mut native = base_config(&config.options, Some(&config.source));
        native.set("group.id", &config.group).set("enable.partition.eof", "true").set("enable.auto.commit", "false");
        native.set("isolation.level", "read_committed").set("auto.offset.reset", "earliest");
        let consumer = Arc::new(native.create_with_context(Context::default())?);
        Ok(Self { config, consumer, grants: Grants::of(config) })
    }

    fn run(&self, report: &mut ConnectorCheck) {
        self.expect_security(report);
        let Some(visible) = self.connect(report) else {
            self.consumer.context().close();
            return;
        };
        let names = self.matched(&visible, report);
        let described = Admin(&self.consumer).topics(&names.iter().cloned().collect(), true, ASK_WAIT).topics(ASK_WAIT).unwrap_or_default();
        let mut topics = Vec::new();
        for name in names {
            let granted = described.get(&name).and_then(|topic| topic.granted);
            topics.extend(self.topic(&name, granted, report));
        }
        self.extents(&mut topics, report);
        report.topics = topics;
        self.group(report);
        self.consumer.context().close();
    }

    /// What the settings ask for counts as not reached until shown otherwise.
    fn expect_security(&self, report: &mut ConnectorCheck) {
        let protocol = self.property("security.protocol").unwrap_or("plaintext").to_ascii_lowercase();
        let expected = |asked: bool| if asked { Outcome::NotReached } else { Outcome::NotUsed };
        report.tls = expected(protocol.ends_with("ssl"));
        report.sasl = expected(protocol.starts_with("sasl"));
    }

    fn property(&self, name: &str) -> Option<&str> {
        self.config.source.properties.get(name).or_else(|| self.config.options.properties.get(name))
    }

    /// Names of the topics we may see, or `None` when no broker lets us in.
    fn connect(&self, report: &mut ConnectorCheck) -> Option<Vec<String>> {
        match first_answer(&self.consumer) {
            Ok(metadata) => {
                report.cluster = metadata.brokers().iter().map(|broker| format!("{}:{}", broker.host(), broker.port())).collect();
                for outcome in [&mut report.tls, &mut report.sasl] {
                    if *outcome == Outcome::NotReached {
                        *outcome = Outcome::Ok;
                    }
                }
                Some(metadata.topics().iter().map(|topic| topic.name().to_owned()).collect())
            }
            Err((error, errors)) => {
                self.explain(&error, errors, report);
                None
            }
        }
    }

    /// Finds the reason among the errors behind a time-out.
    fn explain(&self, error: &NativeError, errors: Vec<ClientError>, report: &mut ConnectorCheck) {
        let mut connection = error.to_string();
        let mut told = false;
        for (code, reason) in errors {
            if is_connection_error(code) {
                connection.clone_from(&reason);
            }
            let reason = self.clearer(code, reason);
            let Some(trouble) =
                self.config.options.classify(code, &reason, &report.brokers).filter(|trouble| trouble.class != class::BROKER_UNREACHABLE)
            else {
                continue;
            };
            match trouble.class.as_str() {
                class::TLS_FAILED => report.tls = Outcome::Failed,
                class::AUTHENTICATION_FAILED => {
                    report.sasl = Outcome::Failed;
                    if report.tls == Outcome::NotReached {
                        report.tls = Outcome::Ok;
                    }
                }
                _ => {}
            }
            told = true;
            report.problem(trouble.message, None);
            break;
        }
        if !told && let Some(trouble) = self.config.options.classify(Code::AllBrokersDown, &connection, &report.brokers) {
            report.problem(trouble.message, None);
        }
    }

    fn clearer(&self, code: Code, reason: String) -> String {
        let wrong_host =
            is_tls_error(code, &reason) && is_unclear(&reason) && is_for_another_host(&self.config.options, Some(&self.config.source));
        if wrong_host { format!("{reason} ({WRONG_HOST})") } else { reason }
    }

    /// Names the settings mean: themselves, or what their patterns match among the visible topics.
    fn matched(&self, visible: &[String], report: &mut ConnectorCheck) -> Vec<String> {
        let mut names = Vec::new();
        for topic in &self.config.source.topics {
            if !topic.starts_with('^') {
                names.push(topic.clone());
                continue;
            }
            let matching: Vec<String> = match regex_lite::Regex::new(topic) {
                // librdkafka keeps the cluster's own topics out of patterns.
                Ok(pattern) => visible.iter().filter(|name| !name.starts_with("__") && pattern.is_match(name)).cloned().collect(),
                Err(error) => {
                    report.problem(format!("`{topic}` cannot be tried here: {error}"), None);
                    continue;
                }
            };
            if matching.is_empty() {
                let message = format!("the pattern `{topic}` matches none of the {} topics this user may see", visible.len());
                report.problem(message, Some(self.grants.topic(topic)));
            }
            names.extend(matching);
        }
        names.sort_unstable();
        names.dedup();
        names
    }

    fn topic(&self, name: &str, granted: Option<Granted>, report: &mut ConnectorCheck) -> Option<TopicCheck> {
        let metadata = match self.consumer.fetch_metadata(Some(name), ASK_WAIT) {
            Ok(metadata) => metadata,
            Err(error) => {
                report.problem(format!("topic `{name}`: {error}"), None);
                return None;
            }
        };
        let topic = metadata.topics().iter().find(|topic| topic.name() == name)?;
        match topic.error() {
            None => {}
            Some(RDKafkaRespErr::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED) => {
                report.problem(format!("topic `{name}` may not be looked at (Describe)"), Some(self.grants.topic(name)));
                return None;
            }
            Some(RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART) => {
                report.problem(format!("topic `{name}` is not there"), None);
                return None;
            }
            Some(code) => {
                report.problem(format!("topic `{name}`: {}", Code::from(code)), None);
                return None;
            }
        }
        if granted.is_some_and(|granted| !granted.read) {
            report.problem(may_not_read(name), Some(self.grants.topic(name)));
        }
        let partitions = u32::try_from(topic.partitions().len()).unwrap_or(u32::MAX);
        let may_ask = granted.is_none_or(|granted| granted.describe_configs);
        let compression = may_ask.then(|| self.compression(name)).flatten().unwrap_or_else(|| "unknown (needs DescribeConfigs)".to_owned());
        Some(TopicCheck { name: name.to_owned(), partitions, offsets: 0, oldest: None, newest: None, compression })
    }

    fn compression(&self, name: &str) -> Option<String> {
        let admin: AdminClient<DefaultClientContext> = base_config(&self.config.options, Some(&self.config.source)).create().ok()?;
        let specifiers = [ResourceSpecifier::Topic(name)];
        let wait = AdminOptions::new().request_timeout(Some(ASK_WAIT));
        let described = block_on(admin.describe_configs(&specifiers, &wait)).ok()?.pop()?.ok()?;
        described.get("compression.type")?.value.clone()
    }

    /// Whether we may join the group; asked without joining. On a new cluster the coordinator takes some moments to be there.
    fn group(&self, report: &mut ConnectorCheck) {
        let group = &self.config.group;
        let until = clock::now().plus_millis(ASK_WAIT.as_millis() as i64);
        let answer = loop {
            match Admin(&self.consumer).group(group, ASK_WAIT) {
                Err(code) if is_passing(code) && clock::now() < until => drop(self.consumer.poll(Duration::from_millis(100))),
                answer => break answer,
            }
        };
        match answer.map(|group| group.granted) {
            Ok(Some(Granted { read: false, .. })) | Err(Code::GroupAuthorizationFailed) => {
                report.problem(format!("the consumer group `{group}` may not be joined (Read)"), Some(self.grants.group(group)));
            }
            // A group that is not there yet is made by joining it.
            Ok(_) | Err(Code::GroupIdNotFound) => {}
            Err(code) => report.problem(format!("the consumer group `{group}`: {code}"), None),
        }
    }
}

/// An error of the client as a whole, with its reason.
pub(super) type ClientError = (Code, String);

/// Errors librdkafka has reported since the last look.
fn client_errors(consumer: &BaseConsumer<Context>) -> Vec<ClientError> {
    for _ in 0..8 {
        consumer.poll(Duration::from_millis(20));
    }
    let notes = consumer.context().take_notes().into_iter();
    notes.filter_map(|note| if let Note::Error(code, reason) = note { Some((code, reason)) } else { None }).collect()
}

/// What the cluster answers first. Nobody waits longer for a broker that has refused us.
///
/// # Errors
/// The time-out, with what librdkafka reported meanwhile.
pub(super) fn first_answer(consumer: &BaseConsumer<Context>) -> Result<Metadata, (NativeError, Vec<ClientError>)> {
    let mut errors = Vec::new();
    let mut given_up = NativeError::MetadataFetch(Code::OperationTimedOut);
    for (tries, wait) in (1..).zip(FIRST_WAITS) {
        match consumer.fetch_metadata(None, wait) {
            Ok(metadata) => return Ok(metadata),
            Err(error) => given_up = error,
        }
        errors.extend(client_errors(consumer));
        let is_refused = |(code, reason): &ClientError| *code == Code::Authentication || is_tls_error(*code, reason);
        if errors.iter().any(is_refused) || (tries >= BROKEN_TRIES && !errors.is_empty()) {
            break;
        }
    }
    Err((given_up, errors))
}

fn is_passing(code: Code) -> bool {
    error_class(code).lasting == Lasting::Passing
}
