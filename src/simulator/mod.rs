//! A shop that breaks on purpose, and the bytes real producers would write.
//!
//! Fourteen services, a database, a cache and an outside acquirer (`shop.toml`) serve
//! users. [`Shop::step`] hands out what their exporters send to Kafka: logs (ECS JSON and OTLP), metrics and traces (OTLP),
//! pushes, builds and deployments (GitHub webhooks). A fault (`faults/*.toml`) is composed of a few primitives and spreads as
//! it would: callers wait, time out, try again and fail.
//!
//! Same seed, options and start: same bytes. Every request has its own stream of chance, so that a fault changes nothing but
//! what it touches.

mod background;
mod calls;
mod chance;
mod changes;
mod effects;
mod episodes;
mod faults;
mod gauges;
mod items;
mod lines;
mod options;
mod otlp;
mod plan_file;
mod random_plan;
mod record;
mod seeded;
mod shop;
mod spans;
mod topology;
mod truth;
mod walk;
mod webhooks;
mod world;

pub use background::Beside;
pub use episodes::episode;
pub use faults::{FaultInfo, catalog};
pub use options::{Options, SimulatorError};
pub use record::{OutRecord, TOPICS};
pub use seeded::{Seeded, seeded};
pub use shop::Shop;
pub use truth::Truth;

#[cfg(test)]
mod tests;
