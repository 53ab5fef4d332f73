//! Jaeger's spans: protobuf (api_v2 `Span` and `Batch`), its JSON form, and the JSON of Jaeger's own pages.
//!
//! A span names its process, or the process of its batch, or by id one of its trace's.

mod json;
mod log;
mod parents;
mod proto;

pub(super) use json::decode as decode_json;
pub(super) use proto::{decode as decode_proto, is_proto};
