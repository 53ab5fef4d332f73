//! The contract with callers: what may be asked (query, bodies, headers), and the document that says so.

pub mod bodies;
pub mod document;
pub mod fields;
pub mod letters;
pub mod orders;
pub mod paging;
pub mod query;
