//! Single records without a pipeline: what they would become with these settings.

use serde_json::{Value, json};

use crate::clock;
use crate::engine::decode::guess::{Sample, guess};
use crate::engine::decode::{decode_one, shown};
use crate::model::Source;
use crate::model::observation::ObservationBatch;
use crate::settings::Settings;

/// How a record is to be read.
#[derive(Clone, Debug)]
pub struct Reading {
    /// `None` takes the source whose reading of the record tells most.
    pub source: Option<Source>,
    /// `auto` or one format; `None` as the settings say.
    pub format: Option<String>,
}

/// What a record becomes: a JSON value an item, and one more with the reason where it, or some of it, cannot be read. True with it
/// where all can.
pub fn decode(settings: &Settings, reading: &Reading, sample: &Sample<'_>) -> (Vec<Value>, bool) {
    let mut options = settings.decode.clone();
    if let Some(format) = &reading.format {
        options.format.clone_from(format);
    }
    let (source, batch) = match reading.source {
        Some(source) => (source, decode_one(options, source, sample, clock::now())),
        None => guess(&options, sample, clock::now()),
    };
    let mut shown: Vec<Value> = shown::items(&batch).collect();
    let is_read = batch.rejections.is_empty();
    shown.extend(rejections(&batch));
    for item in &mut shown {
        if let Value::Object(fields) = item {
            fields.insert("source".to_owned(), source.as_str().into());
            if reading.source.is_none() {
                fields.insert("source_assumed".to_owned(), true.into());
            }
        }
    }
    (shown, is_read)
}

fn rejections(batch: &ObservationBatch) -> impl Iterator<Item = Value> + '_ {
    batch.rejections.iter().map(|rejection| {
        let mut shown = json!({ "rejected": rejection.reason, "class": rejection.class, "format": rejection.format });
        if !rejection.items.is_empty() {
            shown["items"] = json!(rejection.items);
        }
        shown
    })
}
