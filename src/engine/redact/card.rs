//! Payment card numbers: by their issuers' first digits, their length and their check digit.

use std::ops::Range;

const DIGITS: std::ops::RangeInclusive<usize> = 13..=19;

/// Where the first card number of a run of digits lies. The digits of a run stand alone, or have one space or dash between two.
pub(super) fn find(run: &str) -> Option<Range<usize>> {
    if run.bytes().all(|byte| byte.is_ascii_digit()) {
        return is_card(run).then_some(0..run.len());
    }
    let groups: Vec<Range<usize>> = groups(run);
    (0..groups.len()).find_map(|first| {
        // Whole groups, the longest first.
        let last = (first..groups.len().min(first + 5)).rev().find(|last| is_grouped(run, &groups[first..=*last]))?;
        Some(groups[first].start..groups[last].end)
    })
}

/// True for a number alone.
pub(super) fn is_card(digits: &str) -> bool {
    DIGITS.contains(&digits.len()) && is_issued(digits) && has_check_digit(digits.bytes())
}

fn groups(run: &str) -> Vec<Range<usize>> {
    let mut start = 0;
    let ends = run.bytes().enumerate().filter(|(_, byte)| !byte.is_ascii_digit()).map(|(at, _)| at).chain([run.len()]);
    ends.map(|end| std::mem::replace(&mut start, end + 1)..end).collect()
}

/// One number alone in its group, or groups as cards print them: four digits first, one kind of mark between.
fn is_grouped(run: &str, groups: &[Range<usize>]) -> bool {
    let (Some(first), Some(last)) = (groups.first(), groups.last()) else { return false };
    let is_shaped = groups.len() == 1
        || first.len() == 4
            && groups[1..].iter().all(|group| (3..=6).contains(&group.len()))
            && groups[1..].iter().all(|group| run.as_bytes()[group.start - 1] == run.as_bytes()[first.end]);
    is_shaped && {
        let digits: String = run[first.start..last.end].chars().filter(char::is_ascii_digit).collect();
        is_card(&digits)
    }
}

/// First digits and lengths that are given out. What counts seconds since 1970, in any unit, begins with a 1 and is none.
fn is_issued(digits: &str) -> bool {
    match digits.as_bytes() {
        [b'2', b'2'..=b'7', ..] => digits.len() == 16,
        [b'3', ..] => digits.len() >= 14,
        [b'4', ..] => matches!(digits.len(), 13 | 16 | 19),
        [b'5' | b'6', ..] => true,
        _ => false,
    }
}

/// Luhn's sum.
fn has_check_digit(digits: impl DoubleEndedIterator<Item = u8>) -> bool {
    let sum: u32 = digits
        .rev()
        .enumerate()
        .map(|(place, digit)| {
            let digit = u32::from(digit - b'0');
            match place % 2 {
                0 => digit,
                _ => digit * 2 / 10 + digit * 2 % 10,
            }
        })
        .sum();
    sum % 10 == 0
}
