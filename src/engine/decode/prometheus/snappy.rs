//! Snappy's block format, walked without copying, to know it from anything else.
//! Source: github.com/google/snappy, format_description.txt.

/// True when the bytes are one whole block whose content begins with one of `begins`: all elements lie inside, no copy reaches
/// before the start, and the lengths add up to what the preamble says.
pub(super) fn is_block(bytes: &[u8], begins: &[u8]) -> bool {
    let Some((length, mut rest)) = preamble(bytes) else { return false };
    // What cannot be a block is told by its first bytes: nothing is there to copy yet.
    match element(rest) {
        Some((Element::Literal { content }, _)) if content.first().is_some_and(|first| begins.contains(first)) => {}
        _ => return false,
    }
    let mut produced = 0_usize;
    while !rest.is_empty() {
        let Some((element, after)) = element(rest) else { return false };
        produced += match element {
            Element::Literal { content } => content.len(),
            Element::Copy { offset, .. } if offset == 0 || offset > produced => return false,
            Element::Copy { length, .. } => length,
        };
        if produced > length {
            return false;
        }
        rest = after;
    }
    produced == length
}

#[derive(Clone, Copy, Debug)]
enum Element<'a> {
    Literal { content: &'a [u8] },
    Copy { offset: usize, length: usize },
}

/// Length of the content.
fn preamble(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let mut length = 0_u64;
    for (at, byte) in bytes.iter().enumerate().take(5) {
        length |= u64::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            return Some((usize::try_from(length).ok()?, bytes.get(at + 1..)?));
        }
    }
    None
}

fn element(bytes: &[u8]) -> Option<(Element<'_>, &[u8])> {
    let (&tag, rest) = bytes.split_first()?;
    let upper = usize::from(tag >> 2);
    match tag & 3 {
        0 => {
            let extra = upper.saturating_sub(59);
            let (length, rest) = rest.split_at_checked(extra)?;
            let length = if extra == 0 { upper } else { little_endian(length) };
            let (content, rest) = rest.split_at_checked(length.checked_add(1)?)?;
            Some((Element::Literal { content }, rest))
        }
        1 => {
            let (low, rest) = rest.split_first()?;
            Some((Element::Copy { offset: (upper >> 3) << 8 | usize::from(*low), length: (upper & 7) + 4 }, rest))
        }
        kind => {
            let (offset, rest) = rest.split_at_checked(if kind == 2 { 2 } else { 4 })?;
            Some((Element::Copy { offset: little_endian(offset), length: upper + 1 }, rest))
        }
    }
}

fn little_endian(bytes: &[u8]) -> usize {
    bytes.iter().rev().fold(0, |value, byte| value << 8 | usize::from(*byte))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_block_by_hand_and_its_look_alikes() {
        // Ten bytes: a literal of four, and six copied from four before.
        let block = [10, 0b1100, 0x0a, 1, 2, 3, 0b1001, 4];
        assert!(is_block(&block, &[0x0a]));
        assert!(!is_block(&block, &[0x1a]), "it begins with something else");
        assert!(!is_block(&block[..7], &[0x0a]), "cut");
        assert!(!is_block(&[11, 0b1100, 0x0a, 1, 2, 3, 0b1001, 4], &[0x0a]), "another length");
        assert!(!is_block(&[10, 0b1100, 0x0a, 1, 2, 3, 0b1001, 5], &[0x0a]), "a copy from before the start");
        assert!(!is_block(b"{ \n\"labels\":{}}", &[0x0a]), "JSON");
        assert!(!is_block(b"# \nup 1", &[0x0a]), "text");
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn every_compressed_text_is_a_block_and_no_cut_of_it_is(
            words in prop::collection::vec(prop::sample::select(vec!["cart", "web", "\u{1}", "a longer word that comes again"]), 0..300),
            noise in prop::collection::vec(any::<u8>(), 0..300),
            cut in any::<prop::sample::Index>(),
        ) {
            let content = [b"\n".as_slice(), words.concat().as_bytes(), &noise].concat();
            let block = snap::raw::Encoder::new().compress_vec(&content).unwrap();
            prop_assert!(is_block(&block, b"\n"));
            prop_assert!(!is_block(&block[..cut.index(block.len())], b"\n"));
        }

        #[test]
        fn whatever_is_called_a_block_decompresses(bytes in prop::collection::vec(any::<u8>(), 0..40), length in 1_u8..60) {
            let block = [[length, (length - 1) << 2, 0x0a].as_slice(), &bytes].concat();
            if is_block(&block, b"\n") {
                prop_assert!(snap::raw::Decoder::new().decompress_vec(&block).is_ok());
            }
        }
    }
}
