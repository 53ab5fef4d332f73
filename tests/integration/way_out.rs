//! The way out over real sockets: what pages and programs are answered, and what they are refused.

mod api;
mod client;
mod document;
mod golden;
mod hardness;
mod live;
mod ports;
mod stored;
