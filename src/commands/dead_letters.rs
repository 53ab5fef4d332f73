//! `whydunit dead-letters`: records that could not be read, from the command line.

use std::io::Write as _;
use std::time::Duration;

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::app::dead_letters::Desk;
use crate::app::service;
use crate::model::command::LetterSelection;
use crate::model::dead_letter::{DeadLetterGroup, DeadLetterView, LetterStatus};
use crate::model::ports::StoreReader;
use crate::model::query::{DeadLetterQuery, Paging};

/// Letters read at a time.
const PAGE: u32 = 100;
/// How often the progress of a replay is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Records that could not be read wait as dead letters: nothing is lost, and they can be read again once the reason is gone.
///
/// See what waits:              whydunit dead-letters list
/// Look at one:                 whydunit dead-letters show ID
/// After a setting was mended:  whydunit dead-letters replay --group FINGERPRINT
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    settings: super::SettingsFrom,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Groups of letters that failed for the same reason, those with most waiting first.
    List {
        /// One JSON value a line instead of a table.
        #[arg(long)]
        json: bool,
    },
    /// One letter: where it comes from, why it could not be read, its headers and bytes.
    Show {
        id: String,
        /// Write the value's bytes as they are, and nothing else.
        #[arg(long)]
        raw: bool,
    },
    /// Letters with their bytes (base64), one JSON value a line.
    Export {
        #[command(flatten)]
        of: Of,
    },
    /// Decodes letters again, with the settings as they are now. What still cannot be read waits on.
    Replay {
        /// One letter.
        id: Option<String>,
        #[command(flatten)]
        of: Of,
    },
    /// Sets letters aside for good; their bytes stay.
    Discard {
        /// One letter.
        id: Option<String>,
        #[command(flatten)]
        of: Of,
        /// Why nobody will need them.
        #[arg(long)]
        reason: String,
    },
}

#[derive(Debug, clap::Args)]
struct Of {
    /// Letters of one group, by its fingerprint.
    #[arg(long, value_name = "FINGERPRINT", conflicts_with_all = ["connector", "all"])]
    group: Option<String>,
    /// Letters of one connector.
    #[arg(long, value_name = "NAME", conflicts_with = "all")]
    connector: Option<String>,
    /// All letters.
    #[arg(long)]
    all: bool,
}

impl Of {
    fn select(&self, id: Option<&String>) -> anyhow::Result<LetterSelection> {
        let given = [
            id.cloned().map(LetterSelection::One),
            self.group.clone().map(LetterSelection::Group),
            self.connector.clone().map(LetterSelection::Connector),
            self.all.then_some(LetterSelection::All),
        ];
        let mut given = given.into_iter().flatten();
        let select = given.next().context("say which letters: an id, --group FINGERPRINT, --connector NAME or --all")?;
        anyhow::ensure!(given.next().is_none(), "say which letters once: an id, --group, --connector or --all");
        Ok(select)
    }

    fn query(&self) -> DeadLetterQuery {
        let paging = Paging { per_page: PAGE, sort: "first_failed_at".to_owned(), ..Paging::default() };
        DeadLetterQuery {
            fingerprint: self.group.clone(),
            connector: self.connector.clone().into_iter().collect(),
            paging,
            ..Default::default()
        }
    }
}

/// # Errors
/// A database or API that cannot be used; letters that are not there.
pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let settings = arguments.settings.load()?;
    let reader = || service::open_reader(&settings);
    match &arguments.command {
        Command::List { json } => list(&reader()?, *json),
        Command::Show { id, raw } => show(&reader()?, id, *raw),
        Command::Export { of } => export(&reader()?, of),
        Command::Replay { id, of } => {
            let select = of.select(id.as_ref())?;
            let mut desk = Desk::open(&settings)?;
            let count = desk.replay(&select, &who())?;
            if desk.is_running() {
                return follow(&reader()?, count);
            }
            println!("{count} dead letters will be decoded again when whydunit starts");
            Ok(())
        }
        Command::Discard { id, of, reason } => {
            let count = Desk::open(&settings)?.discard(&of.select(id.as_ref())?, reason, &who())?;
            println!("{count} dead letters discarded");
            Ok(())
        }
    }
}

fn who() -> String {
    std::env::var("USER").ok().filter(|user| !user.is_empty()).unwrap_or_else(|| "command line".to_owned())
}

fn list(reader: &dyn StoreReader, json: bool) -> anyhow::Result<()> {
    let groups = reader.dead_letter_groups()?;
    let mut out = std::io::stdout().lock();
    if json {
        for group in &groups {
            writeln!(out, "{}", serde_json::to_string(group)?)?;
        }
        return Ok(());
    }
    if groups.is_empty() {
        writeln!(out, "no dead letters: everything that was read could be read")?;
        return Ok(());
    }
    writeln!(
        out,
        "{:<16}  {:>8}  {:>8}  {:<14}  {:<14}  {:<20}  reason",
        "group", "waiting", "replayed", "connector", "class", "last failed"
    )?;
    for group in &groups {
        let DeadLetterGroup { fingerprint, waiting, replayed, connector, error_class, last_failed_at, error_message, .. } = group;
        let last: String = last_failed_at.to_string().chars().take(19).collect();
        let class = error_class.as_str();
        writeln!(out, "{fingerprint:<16}  {waiting:>8}  {replayed:>8}  {connector:<14}  {class:<14}  {last:<20}  {error_message}")?;
    }
    Ok(())
}

fn show(reader: &dyn StoreReader, id: &str, raw: bool) -> anyhow::Result<()> {
    let letter =
        reader.dead_letter(id)?.with_context(|| format!("no dead letter with id {id}; `whydunit dead-letters export --all` names all"))?;
    let value = letter.value_base64.as_deref().map(|text| STANDARD.decode(text)).transpose()?.unwrap_or_default();
    let mut out = std::io::stdout().lock();
    if raw {
        out.write_all(&value)?;
        return Ok(());
    }
    let DeadLetterView { position, error_class, error_message, format, status, attempts, replay_count, .. } = &letter;
    let (partition, offset) = (&position.partition, position.offset);
    writeln!(out, "{}  {}, {attempts} attempts, {replay_count} replays", letter.id, status.as_str())?;
    writeln!(out, "from      {} of {}/{} offset {offset}", letter.connector, partition.topic, partition.partition)?;
    writeln!(out, "reason    {}: {error_message} (read as {format})", error_class.as_str())?;
    for header in &letter.headers {
        writeln!(out, "header    {} = {}", header.name, header.value.as_deref().unwrap_or("null"))?;
    }
    writeln!(out, "value     {} bytes", letter.value_bytes)?;
    match std::str::from_utf8(&value) {
        Ok(text) => writeln!(out, "{text}")?,
        Err(_) => writeln!(out, "{}", pretty_hex::pretty_hex(&value))?,
    }
    Ok(())
}

/// Every letter that matches, oldest first.
fn each(reader: &dyn StoreReader, of: &Of, mut take: impl FnMut(&DeadLetterView) -> anyhow::Result<()>) -> anyhow::Result<()> {
    let mut query = of.query();
    loop {
        let page = reader.dead_letters(&query)?;
        page.items.iter().try_for_each(&mut take)?;
        let Some(cursor) = page.next_cursor else { return Ok(()) };
        query.paging.cursor = Some(cursor);
    }
}

fn export(reader: &dyn StoreReader, of: &Of) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    each(reader, of, |letter| {
        // A list shows only the beginning of long values.
        let whole = reader.dead_letter(&letter.id)?;
        if let Some(letter) = whole {
            writeln!(out, "{}", serde_json::to_string(&letter)?)?;
        }
        Ok(())
    })
}

/// Shows how far a replay is until it is over.
fn follow(reader: &dyn StoreReader, count: u64) -> anyhow::Result<()> {
    let bar = super::progress::bar(count);
    let sum = |field: fn(&DeadLetterGroup) -> u64| anyhow::Ok(reader.dead_letter_groups()?.iter().map(field).sum::<u64>());
    loop {
        let left = sum(|group| group.replaying)?;
        bar.set_position(count.saturating_sub(left));
        if left == 0 {
            break;
        }
        std::thread::sleep(LOOK_EVERY);
    }
    bar.finish_and_clear();
    let waiting = sum(|group| group.waiting)?;
    println!("{count} dead letters decoded again; {waiting} are {} now", LetterStatus::Waiting.as_str());
    Ok(())
}
