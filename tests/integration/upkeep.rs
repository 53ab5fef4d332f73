//! Care for the database: the books are checked, old things go, copies are made and put back, old files are brought up to date.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod copies;
mod good;
mod retention;
mod running;
mod verify;
