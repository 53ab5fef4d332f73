//! The record behind an event, as it stands at the broker now.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::dead_letter::HeaderView;
use super::event::{Event, Provenance};
use super::position::{PartitionKey, Position};
use super::{Source, Timestamp};

/// Bytes of a value that are shown.
pub const MAX_SHOWN_BYTES: usize = 1 << 20;
/// Clusters of what never was on a broker: queues inside the database.
const LOCAL: [&str; 2] = ["local", super::received::CLUSTER];

/// A record as a broker gives it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FetchedRecord {
    pub topic: String,
    pub partition: i32,
    pub offset: i64,
    /// Its Kafka time.
    pub timestamp: Option<Timestamp>,
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
    pub headers: Vec<(String, Option<Vec<u8>>)>,
}

/// What a broker says when it is asked for one record.
#[derive(Clone, Debug, PartialEq)]
pub enum Fetched {
    Record(Box<FetchedRecord>),
    /// The log begins later: at this offset, whose record is of that time.
    Removed {
        first_offset: i64,
        first_time: Option<Timestamp>,
    },
    /// The log holds nothing at this offset: compacted away, aborted, or not there at all.
    Absent,
    /// The topic was deleted; or the connector now reads another cluster.
    Elsewhere(String),
    /// No answer, with what to do.
    Unreachable(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SourceRecordStatus {
    /// Read from the broker just now.
    Read,
    /// Retention removed it.
    Removed,
    /// Nothing stands at its offset any more: compacted away, or the topic was made anew or deleted.
    Absent,
    /// The event was told by hand or came past Kafka.
    NeverOnABroker,
    /// whydunit found it in many items.
    NoSingleRecord,
    /// The broker did not answer, or the connector that read it is not configured any more.
    Unreachable,
}

/// The record an event was made from; of a folded one, the first exemplar's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SourceRecord {
    pub event_id: String,
    pub source: Source,
    pub status: SourceRecordStatus,
    /// The status as a sentence: where the record is, or since when it is gone.
    pub says: String,
    /// Where it stood, and the format it was read in; nothing for what never was on a broker.
    pub provenance: Option<Provenance>,
    #[schema(value_type = Option<String>, format = DateTime)]
    pub kafka_timestamp: Option<Timestamp>,
    pub key_text: Option<String>,
    pub key_base64: Option<String>,
    pub headers: Vec<HeaderView>,
    /// The value where it is UTF-8; at most 1 MiB.
    pub value_text: Option<String>,
    /// The value where it is not; at most 1 MiB.
    pub value_base64: Option<String>,
    /// All of its bytes, shown or not.
    pub value_bytes: u64,
    /// What the event itself keeps of its record, where the broker does not have it any more.
    #[schema(value_type = Option<Object>)]
    pub kept: Option<serde_json::Value>,
}

/// Where to look for an event's record; `None` where there never was one on a broker.
pub fn place_of(event: &Event) -> Option<&Provenance> {
    event.provenance.as_ref().filter(|provenance| is_on_a_broker(&provenance.position))
}

/// False of what never was on a broker.
pub fn is_on_a_broker(position: &Position) -> bool {
    !LOCAL.contains(&&*position.partition.cluster)
}

/// What a person is shown; `encode` writes bytes as base64.
pub fn source_record(event: &Event, fetched: Option<&Fetched>, encode: fn(&[u8]) -> String) -> SourceRecord {
    let provenance = place_of(event).cloned();
    let (status, says) = match (fetched, &provenance) {
        (Some(fetched), Some(provenance)) => sentence(fetched, provenance),
        _ if event.is_found() => (SourceRecordStatus::NoSingleRecord, "found in many items: no single record stands behind it".to_owned()),
        _ => (SourceRecordStatus::NeverOnABroker, "told by hand or sent past Kafka: no broker has a record of it".to_owned()),
    };
    let record = match fetched {
        Some(Fetched::Record(record)) => Some(&**record),
        _ => None,
    };
    let shown = |bytes: &[u8]| bytes.get(..MAX_SHOWN_BYTES).map_or_else(|| bytes.to_vec(), <[u8]>::to_vec);
    let value = record.and_then(|record| record.value.as_deref());
    let text = value.and_then(text_of);
    let key = record.and_then(|record| record.key.as_deref());
    let key_text = key.and_then(text_of);
    SourceRecord {
        event_id: event.id.clone(),
        source: event.source,
        status,
        says,
        provenance,
        kafka_timestamp: record.and_then(|record| record.timestamp),
        key_base64: key.filter(|_| key_text.is_none()).map(|key| encode(&shown(key))),
        key_text,
        headers: record.map(|record| record.headers.iter().map(header).collect()).unwrap_or_default(),
        value_base64: value.filter(|_| text.is_none()).map(|value| encode(&shown(value))),
        value_text: text,
        value_bytes: value.map_or(0, |value| value.len() as u64),
        kept: if record.is_none() { kept(event) } else { None },
    }
}

fn sentence(fetched: &Fetched, provenance: &Provenance) -> (SourceRecordStatus, String) {
    let PartitionKey { topic, partition, .. } = &provenance.position.partition;
    let place = format!("offset {} of {topic}/{partition}", provenance.position.offset);
    match fetched {
        Fetched::Record(_) => (SourceRecordStatus::Read, format!("read from {place} just now")),
        Fetched::Removed { first_offset, first_time } => {
            let of = first_time.map(|time| format!(", whose record is of {time}")).unwrap_or_default();
            let says = format!("{place} is gone: retention has removed what lay before offset {first_offset}{of}");
            (SourceRecordStatus::Removed, says)
        }
        Fetched::Absent => (SourceRecordStatus::Absent, format!("nothing stands at {place} any more: it was compacted away, or aborted")),
        Fetched::Elsewhere(reason) => (SourceRecordStatus::Absent, format!("{place} is not what it was: {reason}")),
        Fetched::Unreachable(reason) => (SourceRecordStatus::Unreachable, reason.clone()),
    }
}

/// Exemplars of what was folded, else all that the event holds of its source.
fn kept(event: &Event) -> Option<serde_json::Value> {
    let exemplars = event.data.get("exemplars").cloned();
    exemplars.or_else(|| (!event.data.is_null()).then(|| event.data.clone()))
}

/// A text as far as it is shown; `None` for bytes that are none.
fn text_of(bytes: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(bytes).ok()?;
    let mut end = text.len().min(MAX_SHOWN_BYTES);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    Some(text[..end].to_owned())
}

fn header((name, value): &(String, Option<Vec<u8>>)) -> HeaderView {
    HeaderView { name: name.clone(), value: value.as_deref().map(|value| String::from_utf8_lossy(value).into_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Severity;

    fn event(cluster: &str) -> Event {
        let at = Timestamp::from_seconds(1_795_442_530);
        let partition = PartitionKey { cluster: cluster.into(), topic: "t".into(), incarnation: 0, partition: 3 };
        let provenance = Provenance { connector: "logs".into(), position: Position { partition, offset: 41 }, format: "json_logs".into() };
        let data = serde_json::json!({ "exemplars": [{ "message": "kept" }] });
        Event { provenance: Some(provenance), data, ..Event::new("e".into(), at, Source::Logs, "error_burst", Severity::High, "t") }
    }

    #[test]
    fn a_record_that_retention_took_is_told_with_what_is_left_of_it() {
        let gone = Fetched::Removed { first_offset: 100, first_time: Some(Timestamp::from_seconds(1_795_442_600)) };
        let shown = source_record(&event("c"), Some(&gone), |_| String::new());
        assert_eq!(shown.status, SourceRecordStatus::Removed);
        assert!(
            shown.says.contains("offset 41 of t/3") && shown.says.contains("offset 100") && shown.says.contains("2026-11-23"),
            "{}",
            shown.says
        );
        assert_eq!(shown.kept.unwrap()[0]["message"], "kept");
    }

    #[test]
    fn bytes_that_are_no_text_are_shown_as_base64() {
        let record = FetchedRecord { value: Some(vec![0xff, 0]), key: Some(b"k".to_vec()), ..FetchedRecord::default() };
        let shown = source_record(&event("c"), Some(&Fetched::Record(Box::new(record))), |bytes| format!("{bytes:?}"));
        assert_eq!((shown.value_text, shown.value_base64.as_deref(), shown.value_bytes), (None, Some("[255, 0]"), 2));
        assert_eq!((shown.key_text.as_deref(), shown.kept), (Some("k"), None));
    }

    #[test]
    fn what_never_was_on_a_broker_is_not_looked_for() {
        assert_eq!((place_of(&event("local")), place_of(&event(crate::model::received::CLUSTER))), (None, None));
        let told = Event { event_type: "note".to_owned(), ..event("local") };
        assert_eq!(source_record(&told, None, |_| String::new()).status, SourceRecordStatus::NeverOnABroker);
        let found = Event { provenance: None, ..event("c") };
        assert_eq!(source_record(&found, None, |_| String::new()).status, SourceRecordStatus::NoSingleRecord);
    }
}
