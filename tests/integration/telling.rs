//! Telling people: what is stored is told, once and the same, whatever stands in the way.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod alertmanager;
mod commands;
mod kills;
mod receiver;
mod story;
mod topic;
mod webhook;
