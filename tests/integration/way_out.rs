//! The way out over real sockets: what pages and programs are answered, and what they are refused.

mod api;
mod client;
mod golden;
mod ports;
