//! Bytes → observations, or a rejection with its reason.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::model::Timestamp;
use crate::model::observation::ObservationBatch;
use crate::model::record::RecordBatch;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DecodeOptions {
    /// `auto`, or the name of one format.
    pub format: String,
    /// Environment of records that name none.
    pub default_environment: String,
    /// Largest record decoded, bytes; a larger one is rejected.
    pub max_record_bytes: u32,
    /// An item further ahead of its record's Kafka time is flagged skewed and moves no watermark, seconds.
    pub max_skew_s: u32,
}

impl Default for DecodeOptions {
    fn default() -> Self {
        Self { format: "auto".to_owned(), default_environment: "default".to_owned(), max_record_bytes: 10_485_760, max_skew_s: 300 }
    }
}

/// Decodes the batches of one connector. Keeps which definitions it has sent.
#[derive(Debug)]
pub struct Decoder {
    _options: DecodeOptions,
}

impl Decoder {
    pub fn new(options: DecodeOptions) -> Self {
        Self { _options: options }
    }

    /// `observed_at` is the wall time of reading, for events' `observed_at`.
    pub fn decode(&mut self, records: Arc<RecordBatch>, observed_at: Timestamp) -> ObservationBatch {
        let _ = observed_at;
        ObservationBatch::empty(records)
    }
}
