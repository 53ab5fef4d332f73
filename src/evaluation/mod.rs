//! Labelled recorded incidents → bytes; investigations against labels → scores.
