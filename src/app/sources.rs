//! Configured connectors → sources of the pipeline.

use std::sync::Arc;

use super::pipeline::SourcePart;
use crate::actors::status::StatusBoard;
use crate::kafka::{self, ConsumerConfig};
use crate::model::connector::ConnectorStatus;
use crate::model::ports::FeedTrouble;
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
