//! Reading: a bounded number of read-only connections.

mod analytics;
mod books;
mod dims;
mod events;
mod export;
mod filter;
mod investigation_list;
pub(super) mod investigations;
mod letters;
mod notifications;
mod paging;
mod received;
mod timeline;
mod topology;

use std::io::Write;
use std::time::Duration;

use r2d2_sqlite::SqliteConnectionManager;
use rusqlite::{Connection, OpenFlags, OptionalExtension, params};

use super::connection;
use super::error::Fault;
use super::options::Options;
use super::people::aliases;
use super::write;
use crate::model::command::InboxRow;
use crate::model::connector::KeptPause;
use crate::model::dead_letter::{DeadLetterGroup, DeadLetterView, LetterRecord, Replay, ReplayRun};
use crate::model::entity::Alias;
use crate::model::investigation::{Activity, EventLink, Investigation, InvestigationSummary, Note};
use crate::model::ledger::LedgerRow;
use crate::model::notification::{Firing, NotificationQuery, NotificationView, Outgoing, Waiting};
use crate::model::ports::{Outbox, StoreError, StoreReader};
use crate::model::query::{DeadLetterQuery, EventQuery, InvestigationQuery, Page, TimeRange};
use crate::model::received::ReceivedPage;
use crate::model::suspect::Suspect;
use crate::model::topology::Topology;
use crate::model::verify::BookFacts;
use crate::model::view::{AnalyticsSummary, Facet, Timeline};
use crate::model::{Event, Timestamp};
pub use books::OpenItems;

/// Rows of the inbox handed out at once.
const INBOX_LIMIT: u32 = 10_000;

/// Reads from any thread; cheap to clone. At most `Options::readers` read at once, the next one waits its turn.
#[derive(Clone)]
pub struct SqliteReader {
    pool: r2d2::Pool<SqliteConnectionManager>,
}

impl std::fmt::Debug for SqliteReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SqliteReader").field("connections", &self.pool.state().connections).finish()
    }
}

/// Opens a database for reading; a writer must have made it.
///
/// # Errors
/// `Other` when there is none or it cannot be opened.
pub fn open_reader(options: &Options) -> Result<SqliteReader, StoreError> {
    connection::probe(options)?;
    let (path, flags) = connection::target(&options.location);
    let for_init = options.clone();
    let manager = SqliteConnectionManager::file(path).with_flags(flags | OpenFlags::SQLITE_OPEN_READ_ONLY).with_init(move |connection| {
        connection::prepare_common(connection, &for_init)?;
        connection.pragma_update(None, "query_only", true)
    });
    let pool = r2d2::Pool::builder()
        .max_size(options.readers.max(1))
        .min_idle(Some(1))
        // Connections do not age; a database in memory lives as long as one of them does.
        .idle_timeout(None)
        .max_lifetime(None)
        .connection_timeout(Duration::from_millis(u64::from(options.busy_timeout_ms.max(1))))
        .error_handler(Box::new(r2d2::NopErrorHandler))
        .build(manager)
        .map_err(|error| StoreError::Other(format!("cannot open the database for reading: {error}")))?;
    Ok(SqliteReader { pool })
}

/// Finds in the state of the detectors, key and value, what is still open.
pub type OpenFinder<'f> = dyn FnMut(&mut dyn Iterator<Item = (Vec<u8>, Vec<u8>)>) -> Result<OpenItems, String> + 'f;

impl SqliteReader {
    /// Names this database in Kafka group ids.
    pub fn database_id(&self) -> Result<Option<String>, StoreError> {
        self.read(|connection| write::meta(connection, "database_id"))
    }

    /// What the books are checked against, all of one moment; a process that writes meanwhile does not disturb it. `open` is given
    /// the detectors' state and finds what in it is still open. With `whole`, SQLite looks through the file for damage first.
    ///
    /// # Errors
    /// A database that cannot be read.
    pub fn book_facts(&self, whole: bool, open: &mut OpenFinder<'_>) -> Result<BookFacts, StoreError> {
        self.read(|connection| {
            let damage = if whole { books::damage(connection)? } else { Vec::new() };
            Ok(BookFacts { damage, ..books::facts(connection, open)? })
        })
    }

    /// One read is one transaction: all its queries see the same moment.
    fn read<T>(&self, query: impl FnOnce(&Connection) -> Result<T, Fault>) -> Result<T, StoreError> {
        let mut connection =
            self.pool.get().map_err(|error| StoreError::Busy(format!("all connections for reading are in use: {error}")))?;
        let transaction = connection.transaction().map_err(Fault::from)?;
        Ok(query(&transaction)?)
    }
}

impl StoreReader for SqliteReader {
    fn investigations(&self, query: &InvestigationQuery) -> Result<Page<InvestigationSummary>, StoreError> {
        self.read(|connection| investigation_list::page(connection, query))
    }

    fn investigation_facets(&self, query: &InvestigationQuery) -> Result<Vec<Facet>, StoreError> {
        self.read(|connection| investigation_list::facets(connection, query))
    }

    fn investigation(&self, id: &str) -> Result<Option<Investigation>, StoreError> {
        self.read(|connection| investigations::investigation(connection, id))
    }

    fn suspects_at(&self, investigation_id: &str, at: Timestamp) -> Result<Option<Vec<Suspect>>, StoreError> {
        self.read(|connection| investigations::suspects_at(connection, investigation_id, at))
    }

    fn notes(&self, investigation_id: &str) -> Result<Vec<Note>, StoreError> {
        self.read(|connection| investigations::notes(connection, investigation_id))
    }

    fn activity(&self, investigation_id: &str) -> Result<Vec<Activity>, StoreError> {
        self.read(|connection| investigations::activity(connection, investigation_id))
    }

    fn timeline(&self, investigation_id: &str, range: TimeRange, step_s: Option<u32>) -> Result<Option<Timeline>, StoreError> {
        self.read(|connection| timeline::timeline(connection, investigation_id, range, step_s))
    }

    fn event_link(&self, investigation_id: &str, event_id: &str) -> Result<Option<EventLink>, StoreError> {
        self.read(|connection| investigations::event_link(connection, investigation_id, event_id))
    }

    fn events(&self, query: &EventQuery) -> Result<Page<Event>, StoreError> {
        self.read(|connection| events::page(connection, query))
    }

    fn event(&self, id: &str) -> Result<Option<Event>, StoreError> {
        self.read(|connection| events::event(connection, id))
    }

    fn event_facets(&self, query: &EventQuery) -> Result<Vec<Facet>, StoreError> {
        self.read(|connection| events::facets(connection, query))
    }

    fn dead_letters(&self, query: &DeadLetterQuery) -> Result<Page<DeadLetterView>, StoreError> {
        self.read(|connection| letters::page(connection, query))
    }

    fn dead_letter_groups(&self) -> Result<Vec<DeadLetterGroup>, StoreError> {
        self.read(letters::groups)
    }

    fn dead_letter(&self, id: &str) -> Result<Option<DeadLetterView>, StoreError> {
        self.read(|connection| letters::letter(connection, id))
    }

    fn letter_record(&self, id: &str) -> Result<Option<LetterRecord>, StoreError> {
        self.read(|connection| letters::record(connection, id))
    }

    fn replays(&self, from: i64, limit: u32) -> Result<Vec<Replay>, StoreError> {
        self.read(|connection| letters::replays(connection, from, limit))
    }

    fn replay_runs(&self) -> Result<Vec<ReplayRun>, StoreError> {
        self.read(letters::replay_runs)
    }

    fn letter_bytes(&self, connector: &str) -> Result<u64, StoreError> {
        self.read(|db| letters::waiting_bytes(db, connector))
    }

    fn pause(&self, connector: &str) -> Result<Option<KeptPause>, StoreError> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached("SELECT since, reason, settings FROM pauses WHERE connector = ?")?;
            let found = statement.query_row([connector], |row| {
                Ok(KeptPause { since: Timestamp::from_nanos(row.get(0)?), reason: row.get(1)?, settings: row.get(2)? })
            });
            Ok(found.optional()?)
        })
    }

    fn ledger(&self) -> Result<Vec<LedgerRow>, StoreError> {
        self.read(write::ledger)
    }

    fn aliases(&self) -> Result<Vec<Alias>, StoreError> {
        self.read(aliases::all)
    }

    fn topology(&self, environment: Option<&str>, at: Option<Timestamp>) -> Result<Topology, StoreError> {
        self.read(|connection| topology::topology(connection, environment, at))
    }

    fn analytics(&self, range: TimeRange) -> Result<AnalyticsSummary, StoreError> {
        self.read(|connection| analytics::summary(connection, range))
    }

    fn inbox(&self, from: i64, limit: u32) -> Result<Vec<InboxRow>, StoreError> {
        self.read(|connection| inbox(connection, from, limit))
    }

    fn received(&self, connector: &str, from: i64, max_records: u32, max_bytes: u64) -> Result<ReceivedPage, StoreError> {
        self.read(|connection| received::page(connection, connector, from, max_records, max_bytes))
    }

    fn notifications(&self, query: &NotificationQuery) -> Result<Page<NotificationView>, StoreError> {
        self.read(|connection| notifications::page(connection, query))
    }

    fn export(&self, out: &mut dyn Write) -> Result<(), StoreError> {
        self.read(|connection| export::write(connection, out))
    }
}

impl Outbox for SqliteReader {
    fn due(&self, channel: &str, now: Timestamp, limit: u32) -> Result<Vec<Outgoing>, StoreError> {
        self.read(|connection| notifications::due(connection, channel, now, limit))
    }

    fn firing(&self, channel: &str, ended_after: Timestamp, limit: u32) -> Result<Vec<Firing>, StoreError> {
        self.read(|connection| notifications::firing(connection, channel, ended_after, limit))
    }

    fn waiting(&self, channel: &str) -> Result<Waiting, StoreError> {
        self.read(|connection| notifications::waiting(connection, channel))
    }

    fn waiting_channels(&self) -> Result<Vec<String>, StoreError> {
        self.read(notifications::waiting_channels)
    }
}

fn inbox(connection: &Connection, from: i64, limit: u32) -> Result<Vec<InboxRow>, Fault> {
    let mut statement = connection.prepare_cached("SELECT id, command, at FROM inbox WHERE id >= ? ORDER BY id LIMIT ?")?;
    let mut rows = statement.query(params![from, limit.min(INBOX_LIMIT)])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let command = serde_json::from_str(row.get_ref(1)?.as_str().map_err(rusqlite::Error::from)?)?;
        found.push(InboxRow { id: row.get(0)?, command, at: Timestamp::from_nanos(row.get(2)?) });
    }
    Ok(found)
}
