//! OpenTelemetry's protocol: logs, metrics and traces, in protobuf and in JSON.
//!
//! The two encodings meet in [`facts`]: what a resource, span, log record or point says, borrowed from the record, whichever way it
//! was written. Items are numbered in the order they stand; a metric without a point takes a number too, as a bad item.

pub(super) mod facts;
pub(super) mod requests;
pub(super) mod span;
pub(super) mod wire;

mod json;
mod json_types;
mod log;
mod metric;
mod proto;
mod proto_metrics;

pub(super) use json::decode as decode_json;
pub(super) use proto::decode as decode_proto;
