//! Checks the books of a database, beside a running process or without one.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context as _;

use crate::engine::detect::StillOpen;
use crate::engine::resilience::audit::audit;
use crate::engine::resilience::audit_brokers::compare;
use crate::kafka;
use crate::model::Bucket;
use crate::model::ports::StoreError;
use crate::model::received;
use crate::model::verify::{BookFacts, BrokerFacts, PartitionVerdict, Verdict};
use crate::settings::Settings;
use crate::store::{self, OpenItems, SqliteReader};

/// Cluster of the queues inside the database.
const LOCAL: &str = "local";

/// Facts of one moment.
///
/// # Errors
/// A database that cannot be read.
pub fn facts(reader: &SqliteReader, whole: bool) -> Result<BookFacts, StoreError> {
    reader.book_facts(whole, &mut |entries| {
        let mut open = StillOpen::default();
        for (key, value) in entries {
            open.add(&key, &value)?;
        }
        Ok(OpenItems { closed: open.closed, items: open.items })
    })
}

/// Last bucket that the checkpoint in force has closed; readable where the rest of the state is not.
///
/// # Errors
/// A database that cannot be read, or clocks of another format.
pub fn closed_through(reader: &SqliteReader) -> anyhow::Result<Option<Bucket>> {
    let mut closed = None;
    reader.book_facts(false, &mut |entries| {
        let mut clocks = StillOpen::default();
        for (key, value) in entries.filter(|(key, _)| StillOpen::is_clock(key)) {
            clocks.add(&key, &value)?;
        }
        closed = clocks.closed;
        Ok(OpenItems { closed: clocks.closed, items: 0 })
    })?;
    Ok(closed)
}

/// Checks a database's books against what it stores.
///
/// # Errors
/// A database that is not there or cannot be read.
pub fn database(options: &store::Options) -> anyhow::Result<Verdict> {
    if let Some(path) = options.path() {
        anyhow::ensure!(path.exists(), "there is no database {}; name one with --database or store.path", path.display());
    }
    let reader = store::open_reader(options).with_context(|| format!("opening the database {}", String::from(options.location.clone())))?;
    Ok(audit(&facts(&reader, true).context("reading the database")?))
}

/// Adds to a verdict what the brokers of every connector in the books say.
pub fn with_brokers(settings: &Settings, verdict: &mut Verdict) {
    let mut connectors: BTreeMap<String, BTreeSet<(String, i32)>> = BTreeMap::new();
    for PartitionVerdict { row, .. } in &verdict.partitions {
        // The inbox, the replays and what came over HTTP are queues in the database itself.
        if ![LOCAL, received::CLUSTER].contains(&&*row.partition.cluster) {
            connectors.entry(row.connector.clone()).or_default().insert((row.partition.topic.to_string(), row.partition.partition));
        }
    }
    // Brokers that do not answer one connector are not waited for again by the next.
    let mut silent: BTreeMap<String, String> = BTreeMap::new();
    for (connector, partitions) in connectors {
        let source = settings.connectors.get(&connector);
        let brokers = source.and_then(|source| source.brokers.as_ref()).unwrap_or(&settings.kafka.brokers).clone();
        let facts = match silent.get(&brokers) {
            Some(trouble) => BrokerFacts { connector, brokers: brokers.clone(), trouble: Some(trouble.clone()), ..BrokerFacts::default() },
            None => kafka::check::extents(&connector, &settings.kafka, source, &partitions),
        };
        if let Some(trouble) = &facts.trouble {
            silent.insert(brokers, trouble.clone());
        }
        compare(verdict, &facts);
    }
}
