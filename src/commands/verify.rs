//! `whydunit verify`: was everything that was read kept, and can it be shown?

use std::path::PathBuf;

use crate::app::verify;
use crate::model::verify::{Hole, Verdict};

/// Checks that every record read from Kafka ended as stored, folded into a count, seen before, dead-lettered, absent or missed.
///
/// For each partition the books must balance: records read, items decoded, and the offsets passed. Then what they promise is
/// counted in the database: events, dead letters, bucket rows, error counts, and what retention removed. It reads one moment of
/// the database and may run beside a running whydunit. With --connect the positions are compared with the brokers' offsets,
/// cluster and topic ids too. Exits with 1 when something does not add up, and says which connector, partition and offsets, what it
/// may mean and what to do.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    settings: super::SettingsFrom,
    /// Database file to check instead of store.path: a copy or a backup.
    #[arg(long, value_name = "FILE")]
    database: Option<PathBuf>,
    /// Compare with the offsets of every connector's brokers.
    #[arg(long)]
    connect: bool,
    /// Compare with the offsets of these brokers: host:port, several separated by commas.
    #[arg(long, value_name = "HOST:PORT")]
    brokers: Option<String>,
    /// Print all of it as JSON.
    #[arg(long)]
    json: bool,
}

/// # Errors
/// A database that cannot be read, or books that do not close: the first hole.
pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let mut settings = arguments.settings.load()?;
    if let Some(path) = &arguments.database {
        settings.store.location = path.to_string_lossy().into_owned().into();
    }
    if let Some(brokers) = &arguments.brokers {
        settings.kafka.brokers.clone_from(brokers);
        settings.connectors.values_mut().for_each(|connector| connector.brokers = None);
    }
    let mut verdict = verify::database(&settings.store)?;
    if arguments.connect || arguments.brokers.is_some() {
        verify::with_brokers(&settings, &mut verdict);
    }
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&verdict)?);
    } else {
        print(&verdict);
    }
    conclude(&verdict, "")
}

/// Success, or the first hole as the error.
pub(super) fn conclude(verdict: &Verdict, but: &str) -> anyhow::Result<()> {
    match verdict.holes.first() {
        None => Ok(()),
        Some(first) => {
            let but = if but.is_empty() { String::new() } else { format!("{but} ") };
            anyhow::bail!("{but}the books do not close ({} holes), first: {}", verdict.holes.len(), first.found)
        }
    }
}

fn print(verdict: &Verdict) {
    for partition in &verdict.partitions {
        let (row, sums) = (&partition.row, &partition.row.sums);
        let life = if row.partition.incarnation > 0 { format!(" life {}", row.partition.incarnation) } else { String::new() };
        let lag = partition.lag.map_or_else(String::new, |lag| format!(", {lag} still to read"));
        println!(
            "{} {}/{}{life}: offsets {} to {}, {} records read = {} decoded + {} dead-lettered + {} seen before; {} absent, {} missed; \
             {} items = {} stored + {} folded + {} seen before{lag}",
            row.connector,
            row.partition.topic,
            row.partition.partition,
            row.first_offset,
            row.next_offset,
            sums.records_read,
            sums.records_decoded,
            sums.records_rejected,
            sums.records_seen_before,
            sums.absent,
            sums.missed,
            sums.items_decoded,
            sums.items_stored.saturating_sub(partition.duplicates),
            sums.items_folded,
            sums.items_seen_before + partition.duplicates,
        );
    }
    verdict.notes.iter().for_each(|note| println!("note: {note}"));
    verdict.holes.iter().for_each(print_hole);
    if verdict.closes {
        println!(
            "The books close: {} records read, {} items decoded, nothing lost, nothing doubled.",
            verdict.records_read, verdict.items_decoded
        );
    }
}

fn print_hole(hole: &Hole) {
    println!("HOLE: {}", hole.found);
    println!("      It may mean: {}.", hole.meaning);
    println!("      What to do: {}.", hole.advice);
}
