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

use super::wire_format::{Format, Reader, Sign, WireFormat};

pub(super) const PROTO: Format = &WireFormat { name: "otlp_proto", header: None, sign: Sign::Tree, reader: Reader::Bytes(proto::decode) };
pub(super) const JSON: Format = &WireFormat { name: "otlp_json", header: None, sign: Sign::Tree, reader: Reader::Bytes(json::decode) };
