//! Memory: SQLite.
//!
//! One writer, which holds the database's lock, and readers. Every write is one durable transaction and idempotent: what is
//! written twice is stored once. Events lie in time order by their key (`slots`), and how many there are of each combination of
//! filterable fields in each quarter of an hour is counted as they are written; totals, facets and pages come from those counts.

mod connection;
mod copies;
mod error;
mod investigation_index;
mod options;
mod people;
mod read;
mod search;
mod slots;
mod spark;
mod write;

pub use copies::{Progress, backup, restore};
pub use options::{Location, Options, Synchronous};
pub use read::{OpenFinder, OpenItems, SqliteReader, open_reader};
pub use write::{SqliteWriter, open_writer};
