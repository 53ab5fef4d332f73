//! A rejection → a dead letter, and which letters are alike.

use crate::model::Timestamp;
use sha2::{Digest as _, Sha256};

use crate::model::dead_letter::{DeadLetter, Rejection, Withheld};
use crate::model::event::truncate;
use crate::model::position::derived_id;
use crate::model::record::RecordBatch;

/// The letter of one rejection with what is known of its record, but not its bytes and headers: for who must not store payloads.
pub fn letter_without_payload(batch: &RecordBatch, rejection: &Rejection, now: Timestamp) -> Option<DeadLetter> {
    let mut letter = letter(batch, rejection, now)?;
    let value = letter.value.as_deref();
    let digest = Sha256::digest(value.unwrap_or_default());
    let known = Withheld {
        value_bytes: value.map(|value| value.len() as u64),
        value_sha256: digest.iter().map(|byte| format!("{byte:02x}")).collect(),
    };
    letter.withhold(&known);
    Some(letter)
}

/// The letter of one rejection, with the record's bytes, headers and position. `None` when the rejection names no record
/// of the batch.
pub fn letter(batch: &RecordBatch, rejection: &Rejection, now: Timestamp) -> Option<DeadLetter> {
    let record = batch.records.get(rejection.record as usize)?;
    let position = batch.position(record);
    Some(DeadLetter {
        id: derived_id(&format!("letter\0{}\0{}", batch.connector, position.item_id(0))),
        connector: batch.connector.to_string(),
        timestamp: record.timestamp,
        key: batch.key(record).map(<[u8]>::to_vec),
        value: batch.value(record).map(<[u8]>::to_vec),
        headers: batch.headers(record).map(|(name, value)| (name.to_owned(), value.map(<[u8]>::to_vec))).collect(),
        error_class: rejection.class,
        error_message: truncate(&rejection.reason, 1_000),
        format: rejection.format.to_owned(),
        bad_items: rejection.items.clone(),
        attempts: rejection.attempts,
        first_failed_at: now,
        last_failed_at: now,
        fingerprint: fingerprint(&batch.connector, rejection),
        position,
    })
}

/// Letters of one connector, class and format whose reasons differ only in numbers and quoted parts are alike.
pub(super) fn fingerprint(connector: &str, rejection: &Rejection) -> String {
    let key = format!("{connector}\0{}\0{}\0{}", rejection.class.as_str(), rejection.format, without_variables(&rejection.reason));
    derived_id(&key)[..16].to_owned()
}

fn without_variables(reason: &str) -> String {
    let mut text = String::with_capacity(reason.len());
    let mut quote = None;
    let mut escaped = false;
    for character in reason.chars() {
        match quote {
            Some(_) if escaped => escaped = false,
            Some('"') if character == '\\' => escaped = true,
            Some(open) if character == open => quote = None,
            Some(_) => {}
            None if matches!(character, '`' | '"') => quote = Some(character),
            None if character.is_ascii_digit() => {
                if !text.ends_with('#') {
                    text.push('#');
                }
            }
            None => text.push(character),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::dead_letter::RejectionClass;

    fn rejection(reason: &str) -> Rejection {
        Rejection {
            record: 0,
            class: RejectionClass::Malformed,
            reason: reason.to_owned(),
            format: "json_logs",
            items: vec![],
            attempts: 1,
        }
    }

    #[test]
    fn letters_that_differ_only_in_numbers_and_quotes_stand_in_one_group() {
        let a = fingerprint("logs", &rejection("not JSON: expected `,` at byte 14"));
        assert_eq!(a, fingerprint("logs", &rejection("not JSON: expected `}` at byte 2071")));
        assert_ne!(a, fingerprint("logs", &rejection("not JSON: end of input at byte 14")));
        assert_ne!(a, fingerprint("metrics", &rejection("not JSON: expected `,` at byte 14")));
        let page = |start: &str| fingerprint("logs", &rejection(&format!("neither: starts with {start:?}; known: auto")));
        let bytes = |start: &str| fingerprint("logs", &rejection(&format!("neither: starts with bytes `{start}`; known: auto")));
        assert_eq!(bytes("cb 3d 64"), bytes("07 e7 59 73"));
        assert_eq!(page("<html lang=\"en\">"), page("<p id=\"a\" b>"));
    }
}
