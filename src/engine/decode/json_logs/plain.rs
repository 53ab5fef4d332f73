//! The end of a JSON string that stands for itself.

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = ONES << 7;

/// High bits of the bytes of `word` that end plain text: quotes, backslashes, control characters. The lowest one is right; a borrow may
/// put a wrong one above it. Source: Anderson, "Bit Twiddling Hacks", "Determine if a word has a byte less than n".
const fn marks(word: u64) -> u64 {
    let controls = word.wrapping_sub(ONES * 0x20) & !word;
    let quotes = word ^ (ONES * b'"' as u64);
    let quotes = quotes.wrapping_sub(ONES) & !quotes;
    let escapes = word ^ (ONES * b'\\' as u64);
    let escapes = escapes.wrapping_sub(ONES) & !escapes;
    (controls | quotes | escapes) & HIGHS
}

/// Bytes before the closing quote, where none of them is an escape or a control character.
#[inline]
pub(super) fn plain_length(text: &[u8]) -> Option<usize> {
    let mut at = 0;
    for chunk in text.chunks_exact(8) {
        let marks = marks(chunk.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes)));
        if marks != 0 {
            at += marks.trailing_zeros() as usize / 8;
            return (text.get(at) == Some(&b'"')).then_some(at);
        }
        at += 8;
    }
    let rest = text.get(at..)?;
    let end = rest.iter().position(|&byte| matches!(byte, b'"' | b'\\' | 0..0x20))?;
    (rest[end] == b'"').then_some(at + end)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::engine::decode::tests::seeded;

    #[test]
    fn a_plain_string_ends_at_its_quote() {
        for (text, length) in [
            ("\"", Some(0)),
            ("abc\" and \\ more", Some(3)),
            ("a much longer text, ümläute and all\",", Some("a much longer text, ümläute and all".len())),
            ("an \\\"escape\"", None),
            ("a line\nfeed\"", None),
            ("without an end", None),
            ("", None),
        ] {
            assert_eq!(plain_length(text.as_bytes()), length, "{text:?}");
        }
    }

    #[test]
    fn any_bytes_end_where_a_look_at_each_says() {
        let byte = prop_oneof![Just(b'"'), Just(b'\\'), Just(0x1f), Just(0x20), Just(0x80), any::<u8>()];
        proptest!(seeded(400), |(text in prop::collection::vec(byte, 0..40))| {
            let end = text.iter().position(|&byte| byte == b'"' || byte == b'\\' || byte < 0x20);
            prop_assert_eq!(plain_length(&text), end.filter(|&end| text[end] == b'"'));
        });
    }
}
