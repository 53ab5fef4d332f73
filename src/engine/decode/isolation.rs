//! A record that panics its decoder takes nobody with it: the batch is read again one by one, and only the culprit is set aside.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use super::{Decoder, panicked, units};
use crate::model::Timestamp;
use crate::model::dead_letter::{Rejection, RejectionClass};
use crate::model::observation::ObservationBatch;
use crate::model::record::RecordBatch;

impl Decoder {
    /// [`Decoder::decode`], and how many records were rejected because decoding them panicked.
    pub fn decode_isolated(&mut self, records: &Arc<RecordBatch>, observed_at: Timestamp) -> (ObservationBatch, u64) {
        if let Ok(decoded) = catch_unwind(AssertUnwindSafe(|| self.decode(records.clone(), observed_at))) {
            return (decoded, 0);
        }
        // What the panic left half-done is forgotten.
        *self = Self::new(self.options.clone());
        let mut whole = ObservationBatch::empty(records.clone());
        let mut culprits = 0;
        for index in 0..records.records.len() {
            let single = Arc::new(single_record(records, index));
            match catch_unwind(AssertUnwindSafe(|| self.decode(single, observed_at))) {
                Ok(decoded) => merge(&mut whole, decoded, index as u32),
                Err(panic) => {
                    *self = Self::new(self.options.clone());
                    culprits += 1;
                    reject(&mut whole, index, panic.downcast_ref::<&str>().copied().or(panic.downcast_ref::<String>().map(String::as_str)));
                }
            }
        }
        // A panic may quote what it stumbled over.
        self.options.redactor.redact_batch(&mut whole);
        (whole, culprits)
    }
}

/// A batch of the one record at `index`, with every partition kept so that indexes agree.
fn single_record(batch: &RecordBatch, index: usize) -> RecordBatch {
    RecordBatch { records: batch.records.get(index).cloned().into_iter().collect(), ..batch.clone() }
}

/// Adds what one record of `whole` says; its own index in the batch is `record`.
fn merge(whole: &mut ObservationBatch, mut part: ObservationBatch, record: u32) {
    part.logs.iter_mut().for_each(|line| line.record = record);
    part.points.iter_mut().for_each(|point| point.record = record);
    part.spans.iter_mut().for_each(|span| span.record = record);
    part.rejections.iter_mut().for_each(|rejection| rejection.record = record);
    whole.definitions.append(&mut part.definitions);
    whole.logs.append(&mut part.logs);
    whole.points.append(&mut part.points);
    whole.spans.append(&mut part.spans);
    whole.events.append(&mut part.events);
    whole.rejections.append(&mut part.rejections);
    whole.formats.append(&mut part.formats);
    whole.record_formats.append(&mut part.record_formats);
    whole.skewed += part.skewed;
    part.wrong_units.iter().for_each(|found| units::add(&mut whole.wrong_units, found.format, found.wrong, found.items));
    whole.clocks = part.clocks.or(whole.clocks.take());
    for (sum, counts) in whole.counts.iter_mut().zip(&part.counts) {
        sum.records_read += counts.records_read;
        sum.records_decoded += counts.records_decoded;
        sum.records_rejected += counts.records_rejected;
        sum.items_decoded += counts.items_decoded;
        sum.items_rejected += counts.items_rejected;
    }
    for (newest, other) in whole.newest.iter_mut().zip(&part.newest) {
        *newest = (*newest).max(*other);
    }
}

fn reject(whole: &mut ObservationBatch, index: usize, message: Option<&str>) {
    whole.record_formats.push("unknown");
    whole.rejections.push(panicked(index as u32, message.unwrap_or("without a message")));
    let partition = whole.records.records.get(index).map(|record| usize::from(record.partition));
    if let Some(counts) = partition.and_then(|partition| whole.counts.get_mut(partition)) {
        counts.records_read += 1;
        counts.records_rejected += 1;
    }
}

/// Takes a record that was decoded out of its batch again: what it says goes, and the whole of it is rejected.
pub fn set_aside(batch: &mut ObservationBatch, record: u32, class: RejectionClass, reason: &str, attempts: u32) {
    let Some(found) = batch.records.records.get(record as usize) else { return };
    let (position, partition) = (batch.records.position(found), usize::from(found.partition));
    if batch.rejections.iter().any(|rejection| rejection.record == record && rejection.items.is_empty()) {
        return;
    }
    let before = batch.items();
    batch.logs.retain(|line| line.record != record);
    batch.points.retain(|point| point.record != record);
    batch.spans.retain(|span| span.record != record);
    batch.events.retain(|event| event.provenance.as_ref().is_none_or(|provenance| provenance.position != position));
    let gone = (before - batch.items()) as u64;
    let bad: usize = batch.rejections.iter().filter(|rejection| rejection.record == record).map(|rejection| rejection.items.len()).sum();
    batch.rejections.retain(|rejection| rejection.record != record);
    let format = batch.record_formats.get(record as usize).copied().unwrap_or("unknown");
    let reason = match class {
        RejectionClass::Panic => format!("counting this record panicked, a defect of whydunit; please report it with the record: {reason}"),
        _ => reason.to_owned(),
    };
    batch.rejections.push(Rejection { record, class, reason, format, items: Vec::new(), attempts });
    if let Some(counts) = batch.counts.get_mut(partition) {
        counts.records_decoded = counts.records_decoded.saturating_sub(1);
        counts.records_rejected += 1;
        counts.items_decoded = counts.items_decoded.saturating_sub(gone);
        counts.items_rejected = counts.items_rejected.saturating_sub(bad as u64);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use crate::engine::decode::DecodeOptions;
    use crate::model::Source;
    use crate::model::record::BatchPartition;

    #[test]
    fn a_record_set_aside_takes_all_its_items_with_it_and_the_counts_close() {
        let mut records = RecordBatch::new("metrics".into(), Source::Metrics);
        let key = crate::model::position::PartitionKey { cluster: "c".into(), topic: "t".into(), incarnation: 0, partition: 0 };
        records.partitions.push(BatchPartition { key, next_offset: 2, end_offset: -1, absent: 0, missed: 0, at_end: false });
        let point = |value: &str| format!(r#"{{"timeUnixNano":"1763388000000000000","asDouble":{value}}}"#);
        let value = format!(
            r#"{{"resourceMetrics":[{{"resource":{{"attributes":[{{"key":"service.name","value":{{"stringValue":"cart"}}}}]}},"scopeMetrics":[{{"metrics":[{{"name":"used","gauge":{{"dataPoints":[{},{}]}}}}]}}]}}]}}"#,
            point("1.5"),
            point("\"NaN\"")
        );
        (0..2).for_each(|offset| records.push(0, offset, Some(Timestamp::from_seconds(1_763_388_000)), None, Some(value.as_bytes()), &[]));
        let mut decoded = Decoder::new(DecodeOptions::default()).decode(Arc::new(records), Timestamp::from_seconds(1_763_388_000));
        assert_eq!((decoded.points.len(), decoded.counts[0].items_decoded, decoded.counts[0].items_rejected), (2, 2, 2));
        set_aside(&mut decoded, 0, RejectionClass::Panic, "index out of bounds", 5);
        let counts = decoded.counts[0];
        assert_eq!((counts.records_read, counts.records_decoded, counts.records_rejected), (2, 1, 1));
        assert_eq!((counts.items_decoded, counts.items_rejected), (1, 1), "its own bad item is in the letter of the whole");
        assert!(decoded.points.iter().all(|point| point.record == 1));
        let whole: Vec<_> = decoded.rejections.iter().filter(|rejection| rejection.items.is_empty()).collect();
        assert_eq!(whole.iter().map(|rejection| (rejection.record, rejection.attempts)).collect::<Vec<_>>(), [(0, 5)]);
        set_aside(&mut decoded, 0, RejectionClass::Panic, "again", 5);
        assert_eq!(decoded.counts[0], counts, "once is enough");
    }
}
