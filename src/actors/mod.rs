//! Stages: thin shells around engine parts.
