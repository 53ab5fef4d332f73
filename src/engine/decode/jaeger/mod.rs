//! Jaeger's spans: protobuf (api_v2 `Span` and `Batch`), its JSON form, and the JSON of Jaeger's own pages.
//!
//! A span names its process, or the process of its batch, or by id one of its trace's.

mod json;
mod log;
mod parents;
mod proto;

pub(super) use proto::is_proto;

use super::wire_format::{Format, Reader, Sign, WireFormat};

/// `Span` and `Batch` of api_v2.
pub(super) const PROTO: Format = &WireFormat { name: "jaeger_proto", header: None, sign: Sign::Tree, reader: Reader::Bytes(proto::decode) };
pub(super) const JSON: Format = &WireFormat { name: "jaeger_json", header: None, sign: Sign::Tree, reader: Reader::Bytes(json::decode) };
