//! Real parts for tests: started, stopped, broken.

pub mod kafka;

pub mod ports;

pub mod process;

pub mod seed;

pub mod shop;

pub mod small_disk;
