//! Real parts for tests: started, stopped, broken.
// Several test binaries share this; each uses a part of it.
#![allow(dead_code)]

pub mod kafka;

pub mod process;

pub mod seed;

pub mod shop;
