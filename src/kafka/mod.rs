//! The way in: Kafka.
