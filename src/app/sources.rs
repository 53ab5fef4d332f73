//! Configured connectors → sources of the pipeline.

use std::sync::Arc;

use super::pipeline::SourcePart;
use super::received::ReceivedQueue;
use crate::actors::recorder::Intake;
use crate::actors::status::StatusBoard;
use crate::engine::decode::DecodeOptions;
use crate::kafka::{self, ConsumerConfig};
use crate::model::Source;
use crate::model::connector::ConnectorStatus;
use crate::model::ports::{FeedTrouble, StoreError, StoreReader};
use crate::model::received;
use crate::settings::Settings;
use crate::store;

/// One source a connector, reading Kafka; each registered on the status board.
pub fn kafka_sources(settings: &Settings, database_id: &str, status: &StatusBoard) -> Vec<SourcePart> {
    let mut sources = Vec::new();
    for (name, connector) in &settings.connectors {
        let group = kafka::group_id(&settings.kafka, connector, database_id, name);
        status.register(connector_status(name, settings, connector, &group));
        let config = consumer_config(settings, name, connector, group);
        sources.push(SourcePart {
            name: name.as_str().into(),
            source: connector.source,
            decode: settings.decode_of(connector),
            open: Arc::new(move |offsets| {
                kafka::start(config.clone(), offsets).map_err(|error| FeedTrouble {
                    class: "settings".to_owned(),
                    message: error.to_string(),
                    permanent: true,
                    recovered: false,
                    topic: None,
                })
            }),
        });
    }
    sources
}

/// What came over HTTP and comes still.
#[derive(Debug, Default)]
pub struct Received {
    /// Whether more is taken.
    pub is_taking: bool,
    /// One a source that has something to read, or may get it; each registered on the status board.
    pub sources: Vec<SourcePart>,
}

/// The connectors of what comes over HTTP. Where nothing more is taken, what was answered with success is read all the same.
///
/// # Errors
/// A database that cannot be read.
pub fn received_sources(
    settings: &Settings,
    reader: &Arc<dyn StoreReader>,
    intake: &Intake,
    status: &StatusBoard,
) -> Result<Received, StoreError> {
    let ledger = reader.ledger()?;
    let mut queues = Vec::new();
    for source in Source::ALL {
        let name = received::connector_of(source);
        let read_to = ledger.iter().filter(|row| row.connector == name).map(|row| row.next_offset).max().unwrap_or(0);
        queues.push((source, reader.received(name, 0, 0, 0)?.end_offset, read_to));
    }
    let is_taking = settings.takes_http().unwrap_or_else(|| queues.iter().any(|(_, end, _)| *end > 0));
    let wanted = queues.into_iter().filter(|(_, end, read_to)| is_taking || end > read_to);
    let sources = wanted.map(|(source, ..)| {
        let name = received::connector_of(source);
        status.register(ConnectorStatus {
            brokers: received::CLUSTER.to_owned(),
            topics: vec![received::partition_of(source).topic.to_string()],
            ..ConnectorStatus::new(name, source)
        });
        let queue = ReceivedQueue::new(source, reader.clone(), intake.clone());
        // Each record says what it is, by where it came in.
        let decode = DecodeOptions { format: "auto".to_owned(), ..settings.decode.clone() };
        SourcePart { name: name.into(), source, decode, open: Arc::new(move |offsets| queue.open(&*offsets)) }
    });
    Ok(Received { is_taking, sources: sources.collect() })
}

fn consumer_config(settings: &Settings, name: &str, connector: &kafka::SourceOptions, group: String) -> ConsumerConfig {
    ConsumerConfig {
        connector: name.into(),
        source: connector.clone(),
        options: settings.kafka.clone(),
        instance: format!("{group}-1"),
        group,
    }
}

/// Tries every connector against its brokers.
pub fn check(settings: &Settings) -> Vec<kafka::check::ConnectorCheck> {
    let database_id = database_id(settings).unwrap_or_else(|| "new".to_owned());
    let checked = settings.connectors.iter().map(|(name, connector)| {
        let group = kafka::group_id(&settings.kafka, connector, &database_id, name);
        kafka::check::check(&consumer_config(settings, name, connector, group))
    });
    checked.collect()
}

/// Id of the database that is there already; a new one is given its id when it is made.
fn database_id(settings: &Settings) -> Option<String> {
    let path = settings.store.path().filter(|path| path.exists())?;
    let reader = store::open_reader(&settings.store);
    let id = reader.and_then(|reader| reader.database_id());
    id.inspect_err(|error| tracing::warn!(path = %path.display(), %error, "the database cannot tell its id")).ok().flatten()
}

fn connector_status(name: &str, settings: &Settings, connector: &kafka::SourceOptions, group: &str) -> ConnectorStatus {
    ConnectorStatus {
        brokers: connector.brokers.clone().unwrap_or_else(|| settings.kafka.brokers.clone()),
        topics: connector.topics.clone(),
        group: group.to_owned(),
        format: settings.decode_of(connector).format,
        ..ConnectorStatus::new(name, connector.source)
    }
}
