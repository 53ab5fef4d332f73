//! What to do when something fails: pure decisions with time and seed as arguments.

pub mod audit;
pub mod audit_brokers;
pub mod backoff;
pub mod circuit_breaker;
pub mod guard;
pub mod letter_budget;
pub mod letters;
pub mod offset_ledger;
pub mod redecode;
pub mod restart_budget;
pub mod retention;
pub mod suspects;
pub mod wrong_topic;
