//! Whose something is: the names that records and changes bear → the one service they mean.
//!
//! Attributes name a record's service ([`EntityOptions::service_attributes`], then those that whydunit knows), rules say whose a
//! change is ([`place`]), and [`Aliases`] have the last word. An empty name never means anything.

mod aliases;
mod options;
mod pattern;
mod placing;

pub use aliases::{AliasError, Aliases, MAX_ALIASES};
pub use options::{ChangeRule, EntityOptions, MAX_ATTRIBUTES, is_attribute};
pub use placing::place;
