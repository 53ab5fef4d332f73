//! Looks at a connector's cluster as the connector would: who answers, which topics match, what may be read.
//!
//! Reads without joining the consumer group, so that a running whydunit is not disturbed.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions, ResourceSpecifier};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError as NativeError;
use rdkafka::types::{RDKafkaErrorCode as Code, RDKafkaRespErr};
use rdkafka::{Offset, TopicPartitionList};
use serde::Serialize;

use crate::kafka::client::{base_config, is_for_another_host};
use crate::kafka::consumer::ConsumerConfig;
use crate::kafka::context::{Context, Note, TopicPartition};
use crate::kafka::native::{DataQueue, PartitionEvent};
use crate::kafka::trouble::{WRONG_HOST, class, is_connection_error, is_tls_error, is_unclear};
use crate::kafka::wait::block_on;
use crate::clock;
use crate::model::Timestamp;

/// How long one question to the cluster may take.
const ASK_WAIT: Duration = Duration::from_secs(5);
/// How long the first and last records may take, all partitions together.
const READ_WAIT_MS: i64 = 5_000;
/// The newest offsets may hold control records: the newest record is looked for in this many.
const NEWEST_OFFSETS: i64 = 5;

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
    /// The topic's `compression.type`; `producer` means as the producers chose, `unknown` that it may not be asked.
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
        let mut topics = Vec::new();
        for name in names {
            topics.extend(self.topic(&name, report));
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
        match self.consumer.fetch_metadata(None, ASK_WAIT) {
            Ok(metadata) => {
                report.cluster = metadata.brokers().iter().map(|broker| format!("{}:{}", broker.host(), broker.port())).collect();
                for outcome in [&mut report.tls, &mut report.sasl] {
                    if *outcome == Outcome::NotReached {
                        *outcome = Outcome::Ok;
                    }
                }
                Some(metadata.topics().iter().map(|topic| topic.name().to_owned()).collect())
            }
            Err(error) => {
                self.explain(&error, report);
                None
            }
        }
    }

    /// Finds the errors behind a time-out.
    fn explain(&self, error: &NativeError, report: &mut ConnectorCheck) {
        let mut connection = error.to_string();
        let mut told = false;
        for (code, reason) in self.events(ASK_WAIT) {
            if is_connection_error(code) {
                connection.clone_from(&reason);
            }
            let reason = self.clearer(code, reason);
            let Some(trouble) = self.config.options.classify(code, &reason, &report.brokers).filter(|trouble| trouble.class != class::BROKER_UNREACHABLE)
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

    /// Errors librdkafka reports, as soon as there are any; a slow broker may refuse us after our question has timed out.
    fn events(&self, wait: Duration) -> Vec<(Code, String)> {
        let until = clock::now().plus_millis(wait.as_millis() as i64);
        loop {
            for _ in 0..8 {
                self.consumer.poll(Duration::from_millis(20));
            }
            let notes = self.consumer.context().take_notes().into_iter();
            let errors: Vec<_> =
                notes.filter_map(|note| if let Note::Error(code, reason) = note { Some((code, reason)) } else { None }).collect();
            if !errors.is_empty() || clock::now() >= until {
                return errors;
            }
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

    fn topic(&self, name: &str, report: &mut ConnectorCheck) -> Option<TopicCheck> {
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
        let partitions = u32::try_from(topic.partitions().len()).unwrap_or(u32::MAX);
        let compression = self.compression(name).unwrap_or_else(|| "unknown".to_owned());
        Some(TopicCheck { name: name.to_owned(), partitions, offsets: 0, oldest: None, newest: None, compression })
    }

    fn compression(&self, name: &str) -> Option<String> {
        let admin: AdminClient<DefaultClientContext> = base_config(&self.config.options, Some(&self.config.source)).create().ok()?;
        let specifiers = [ResourceSpecifier::Topic(name)];
        let wait = AdminOptions::new().request_timeout(Some(ASK_WAIT));
        let described = block_on(admin.describe_configs(&specifiers, &wait)).ok()?.pop()?.ok()?;
        described.get("compression.type")?.value.clone()
    }

    /// Fills in what the topics hold, by reading their first and last records.
    fn extents(&self, topics: &mut [TopicCheck], report: &mut ConnectorCheck) {
        let partitions: Vec<TopicPartition> = topics
            .iter()
            .flat_map(|topic| (0..i32::try_from(topic.partitions).unwrap_or(0)).map(|partition| (topic.name.clone(), partition)))
            .collect();
        if partitions.is_empty() {
            return;
        }
        let (lows, highs) = match (self.offsets(&partitions, Offset::Beginning), self.offsets(&partitions, Offset::End)) {
            (Ok(lows), Ok(highs)) => (lows, highs),
            (Err(error), _) | (_, Err(error)) => return report.problem(format!("offsets cannot be looked up: {error}"), None),
        };
        let mut first = BTreeMap::new();
        let mut last = BTreeMap::new();
        for (partition, high) in &highs {
            let Some(low) = lows.get(partition) else { continue };
            if let Some(topic) = topics.iter_mut().find(|topic| topic.name == partition.0) {
                topic.offsets += u64::try_from(high - low).unwrap_or(0);
            }
            if high > low {
                first.insert(partition.clone(), *low);
                last.insert(partition.clone(), (high - NEWEST_OFFSETS).max(*low));
            }
        }
        for (name, time) in self.read(&first, true, report) {
            if let Some(topic) = topics.iter_mut().find(|topic| topic.name == name) {
                topic.oldest = Some(topic.oldest.map_or(time, |oldest| oldest.min(time)));
            }
        }
        for (name, time) in self.read(&last, false, report) {
            if let Some(topic) = topics.iter_mut().find(|topic| topic.name == name) {
                topic.newest = Some(topic.newest.map_or(time, |newest| newest.max(time)));
            }
        }
    }

    fn offsets(&self, partitions: &[TopicPartition], at: Offset) -> Result<BTreeMap<TopicPartition, i64>, NativeError> {
        let mut list = TopicPartitionList::with_capacity(partitions.len());
        for (topic, partition) in partitions {
            list.add_partition_offset(topic, *partition, at)?;
        }
        let answers = self.consumer.offsets_for_times(list, ASK_WAIT)?;
        let found = answers.elements().into_iter().filter(|answer| answer.error().is_ok()).filter_map(|answer| match answer.offset() {
            Offset::Offset(offset) => Some(((answer.topic().to_owned(), answer.partition()), offset)),
            _ => None,
        });
        Ok(found.collect())
    }

    /// Reads from the given offsets: the first record of each partition, or all up to its end. Times by topic.
    fn read(&self, from: &BTreeMap<TopicPartition, i64>, first_only: bool, report: &mut ConnectorCheck) -> Vec<(String, Timestamp)> {
        let mut times = Vec::new();
        let (Some(mut data), Ok(list)) = (DataQueue::new(Arc::clone(&self.consumer), 64), list_of(from)) else { return times };
        if let Err(error) = self.consumer.assign(&list) {
            report.problem(format!("partitions cannot be read: {error}"), None);
            return times;
        }
        for (topic, partition) in from.keys() {
            data.forward(topic, *partition);
        }
        let mut waiting: Vec<TopicPartition> = from.keys().cloned().collect();
        let give_up_at = clock::now().plus_millis(READ_WAIT_MS);
        while !waiting.is_empty() && clock::now() < give_up_at {
            self.consumer.poll(Duration::ZERO);
            let Some(delivery) = data.next(Duration::from_millis(50)) else { continue };
            let name = (delivery.topic(), delivery.partition());
            let event = delivery.event();
            if event.is_none() && waiting.contains(&name) {
                times.extend(delivery.timestamp().map(|time| (name.0.clone(), time)));
            }
            if event.is_some() || first_only {
                waiting.retain(|partition| *partition != name);
            }
            if let Some(PartitionEvent::Failed(code, reason)) = event {
                let denied = code == Code::TopicAuthorizationFailed;
                let message = if denied { format!("topic `{}` may not be read", name.0) } else { format!("topic `{}`: {reason}", name.0) };
                report.problem(message, denied.then(|| self.grants.topic(&name.0)));
            }
        }
        drop(data);
        // Nothing was assigned by the group: there is nothing to give back.
        let _ = self.consumer.unassign();
        times
    }

    /// Asks for the group's offsets, for which it must be allowed to look at the group.
    fn group(&self, report: &mut ConnectorCheck) {
        let Some(topic) = report.topics.first() else { return };
        let mut list = TopicPartitionList::new();
        list.add_partition(&topic.name, 0);
        if let Err(error) = self.consumer.committed_offsets(list, ASK_WAIT) {
            // A denied look for the coordinator ends in a time-out; the denial itself comes as an event.
            let denied = error.rdkafka_error_code() == Some(Code::GroupAuthorizationFailed)
                || self.events(Duration::ZERO).iter().any(|(code, _)| *code == Code::GroupAuthorizationFailed);
            let message = if denied {
                format!("the consumer group `{}` may not be used", self.config.group)
            } else {
                format!("the consumer group `{}`: {error}", self.config.group)
            };
            report.problem(message, denied.then(|| self.grants.group(&self.config.group)));
        }
    }
}

fn list_of(offsets: &BTreeMap<TopicPartition, i64>) -> Result<TopicPartitionList, NativeError> {
    let mut list = TopicPartitionList::with_capacity(offsets.len());
    for ((topic, partition), offset) in offsets {
        list.add_partition_offset(topic, *partition, Offset::Offset(*offset))?;
    }
    Ok(list)
}

/// Writes the commands an administrator has to run.
struct Grants {
    brokers: String,
    principal: String,
}

impl Grants {
    fn of(config: &ConsumerConfig) -> Self {
        let property = |name| config.source.properties.get(name).or_else(|| config.options.properties.get(name));
        let brokers = config.source.brokers.as_ref().unwrap_or(&config.options.brokers).clone();
        let principal = property("sasl.username").unwrap_or("<whydunit's principal>").to_owned();
        Self { brokers, principal }
    }

    fn topic(&self, topic: &str) -> String {
        // A pattern's literal beginning is what a prefixed grant can cover.
        let literal = topic.strip_prefix('^').map(|pattern| {
            let end = pattern.find(|c: char| !(c.is_ascii_alphanumeric() || c == '-' || c == '_')).unwrap_or(pattern.len());
            &pattern[..end]
        });
        match literal {
            None => self.command(&format!("--operation Read --operation Describe --topic '{topic}'")),
            Some("") => self.command("--operation Read --operation Describe --topic '*'"),
            Some(prefix) => {
                self.command(&format!("--operation Read --operation Describe --topic '{prefix}' --resource-pattern-type prefixed"))
            }
        }
    }

    fn group(&self, group: &str) -> String {
        self.command(&format!("--operation Read --group '{group}'"))
    }

    fn command(&self, what: &str) -> String {
        format!("kafka-acls.sh --bootstrap-server {} --add --allow-principal 'User:{}' {what}", self.brokers, self.principal)
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotUsed => "not used",
            Self::Ok => "ok",
            Self::Failed => "failed",
            Self::NotReached => "not reached",
        })
    }
}

impl fmt::Display for ConnectorCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: {} at {}", self.connector, if self.is_ok() { "ok" } else { "NOT OK" }, self.brokers)?;
        if !self.cluster.is_empty() {
            writeln!(f, "  brokers   {}", self.cluster.join(", "))?;
        }
        writeln!(f, "  security  TLS {}, login {}", self.tls, self.sasl)?;
        writeln!(f, "  group     {}", self.group)?;
        for topic in &self.topics {
            let time = |time: Option<Timestamp>| time.map_or_else(|| "–".to_owned(), |time| time.to_string());
            writeln!(
                f,
                "  topic     {}: {} partitions, up to {} records, {} to {}, compression {}",
                topic.name,
                topic.partitions,
                topic.offsets,
                time(topic.oldest),
                time(topic.newest),
                topic.compression
            )?;
        }
        for problem in &self.problems {
            writeln!(f, "  problem   {}", problem.message)?;
            if let Some(grant) = &problem.grant {
                writeln!(f, "            granted by: {grant}")?;
            }
        }
        Ok(())
    }
}
