//! Trace and span ids from the texts producers write.

use xxhash_rust::xxh3::{xxh3_64, xxh3_128};

use crate::model::observation::{SpanId, TraceId};

/// The trace id a text names: hexadecimal with or without dashes (UUID), up to 32 digits; any other text stands for itself by
/// its hash, so that its lines still join. Empty and all-zero texts are none.
pub(super) fn trace_id(text: &str) -> TraceId {
    let text = last_segment(text);
    match hex(text, 32) {
        Some(id) => TraceId(id),
        None if text.is_empty() => TraceId::default(),
        None => TraceId(xxh3_128(text.as_bytes())),
    }
}

/// As [`trace_id`], up to 16 digits.
pub(super) fn span_id(text: &str) -> SpanId {
    let text = last_segment(text);
    match hex(text, 16).and_then(|id| u64::try_from(id).ok()) {
        Some(id) => SpanId(id),
        None if text.is_empty() => SpanId::default(),
        None => SpanId(xxh3_64(text.as_bytes())),
    }
}

/// Trace id of exactly 16 bytes.
pub(super) fn trace_bytes(bytes: &[u8]) -> Option<TraceId> {
    bytes.try_into().ok().map(u128::from_be_bytes).map(TraceId)
}

/// Span id of exactly 8 bytes.
pub(super) fn span_bytes(bytes: &[u8]) -> Option<SpanId> {
    bytes.try_into().ok().map(u64::from_be_bytes).map(SpanId)
}

/// Some clouds write `projects/p/traces/ID`.
fn last_segment(text: &str) -> &str {
    let text = text.trim();
    text.rsplit_once('/').map_or(text, |(_, last)| last)
}

fn hex(text: &str, max_digits: usize) -> Option<u128> {
    let mut value = 0_u128;
    let mut digits = 0;
    for byte in text.bytes().filter(|&byte| byte != b'-') {
        let digit = match byte {
            b'0'..=b'9' => byte - b'0',
            b'a'..=b'f' => byte - b'a' + 10,
            b'A'..=b'F' => byte - b'A' + 10,
            _ => return None,
        };
        digits += 1;
        if digits > max_digits {
            return None;
        }
        value = value << 4 | u128::from(digit);
    }
    (digits > 0).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_read_from_hex_uuid_and_cloud_paths() {
        let id = TraceId(0x5b8e_fff7_9803_8103_d269_b633_813f_c60c);
        assert_eq!(trace_id("5B8EFFF798038103D269B633813FC60C"), id);
        assert_eq!(trace_id("5b8efff7-9803-8103-d269-b633813fc60c"), id);
        assert_eq!(trace_id("projects/shop/traces/5b8efff798038103d269b633813fc60c"), id);
        assert_eq!(span_id("eee19b7ec3c1b174"), SpanId(0xeee1_9b7e_c3c1_b174));
    }

    #[test]
    fn foreign_ids_still_join_and_zeros_are_none() {
        assert_eq!(trace_id("req~abc"), trace_id(" req~abc "));
        assert!(!trace_id("req~abc").is_none());
        assert!(trace_id("").is_none() && trace_id("0000").is_none() && span_id("0").is_none());
        assert!(!span_id("5b8efff798038103d269b633813fc60c").is_none());
    }
}
