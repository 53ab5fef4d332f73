//! Memory: SQLite.
