//! Real parts for tests: started, stopped, broken.

pub mod kafka;

pub mod seed;
