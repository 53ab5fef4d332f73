//! A shop that breaks on purpose, and the bytes real producers would write.
