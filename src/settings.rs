//! Settings: defaults, file, environment → one validated value.
