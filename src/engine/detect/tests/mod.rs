//! Detection driven as the pipeline drives it.
