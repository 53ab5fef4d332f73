//! Records of one logger look alike: the same keys in the same order, with other values between them.
//!
//! Such a layout is learned from a record that was parsed ([`learn`](super::learn)), and the next records are laid against it: what
//! stands between the values must be the same bytes, and each value is one complete JSON value. So what fits is valid JSON too, and
//! only its values had to be read. A shortcut and no more: a line is the same with and without it.

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::line::Leaf;
use super::plain::plain_length;
use crate::engine::decode::log_line::fields::Slot;
use crate::engine::decode::log_line::{Line, Scalar};

/// Values of a layout.
pub(super) const MAX_PARTS: usize = 64;
/// Bytes between its values.
pub(super) const MAX_BETWEEN: usize = 4_096;
/// Layouts remembered at a time.
const MAX_KNOWN: usize = 4;
/// Records that fit nothing, not made good by others that do, until layouts are given up for a while.
const MAX_WASTED: u32 = 256;
/// That while, records.
const REST: u32 = 4_096;
/// Most records until the next one is learned, where what was learned fitted nothing.
const MAX_PATIENCE: u32 = 1_024;

/// What stands before a value, and what the value is for.
#[derive(Debug)]
pub(super) struct Part {
    /// End of what stands before it in [`Layout::between`].
    pub(super) end: usize,
    pub(super) slot: Option<Slot>,
    pub(super) rank: u8,
    /// An object here would hold fields of its own.
    pub(super) opens: bool,
}

#[derive(Debug, Default)]
pub(super) struct Layout {
    /// All that stands between values, in a row; what follows the last value comes last.
    pub(super) between: Vec<u8>,
    pub(super) parts: Vec<Part>,
    /// Keys of the objects that were read.
    pub(super) keys: u32,
    fitted: u32,
}

impl Layout {
    /// Reads a record that fits; `None`, and a line half read, for one that does not.
    fn read<'a>(&self, text: &'a str, line: &mut Line<'a>) -> Option<()> {
        let mut rest = text;
        let mut from = 0;
        for part in &self.parts {
            rest = behind(rest, self.between.get(from..part.end)?)?;
            from = part.end;
            rest = match rest.strip_prefix('"').and_then(|inside| Some((inside, plain_length(inside.as_bytes())?))) {
                Some((inside, length)) => {
                    if let Some(slot) = part.slot {
                        line.set(slot, part.rank, Scalar::Text(inside.get(..length)?.into()));
                    }
                    inside.get(length + 1..)?
                }
                None => rest.get(part.read_any(rest, line)?..)?,
            };
        }
        line.keys = self.keys;
        (rest.as_bytes() == self.between.get(from..)?).then_some(())
    }
}

impl Part {
    /// Reads any value; returns its length.
    fn read_any<'a>(&self, rest: &'a str, line: &mut Line<'a>) -> Option<usize> {
        if self.slot.is_none() && !self.opens {
            return first_value::<IgnoredAny>(rest).map(|(_, length)| length);
        }
        if self.opens && rest.starts_with('{') {
            return None;
        }
        let (Leaf(value), length) = first_value(rest)?;
        if let (Some(slot), Some(value)) = (self.slot, value) {
            line.set(slot, self.rank, value);
        }
        Some(length)
    }
}

fn behind<'a>(text: &'a str, before: &[u8]) -> Option<&'a str> {
    text.as_bytes().starts_with(before).then(|| text.get(before.len()..))?
}

/// The JSON value that a text begins with, and its length.
pub(super) fn first_value<'a, T: Deserialize<'a>>(text: &'a str) -> Option<(T, usize)> {
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<T>();
    let value = values.next()?.ok()?;
    Some((value, values.byte_offset()))
}

/// The layouts of late.
#[derive(Debug, Default)]
pub(in crate::engine::decode) struct Layouts {
    /// Those that fit most often first.
    known: Vec<Layout>,
    wasted: u32,
    /// Records to go until layouts are tried again.
    resting: u32,
    /// Records to go until one is learned, and how many that were.
    waiting: u32,
    patience: u32,
}

impl Layouts {
    /// Reads a record into an empty line; false, and an empty line, where it fits no layout.
    pub(in crate::engine::decode) fn read<'a>(&mut self, text: &'a str, line: &mut Line<'a>) -> bool {
        if self.resting > 0 {
            self.resting -= 1;
            return false;
        }
        for at in 0..self.known.len() {
            if self.known[at].read(text, line).is_some() {
                self.book(at);
                return true;
            }
            *line = Line::default();
        }
        self.wasted += 1;
        if self.wasted > MAX_WASTED {
            *self = Self { resting: REST, ..Self::default() };
        }
        false
    }

    fn book(&mut self, at: usize) {
        self.wasted /= 2;
        let fitted = self.known[at].fitted.saturating_add(1);
        self.known[at].fitted = fitted;
        if at > 0 && self.known[at - 1].fitted < fitted {
            self.known.swap(at - 1, at);
        }
    }

    /// True when the layout of the record that just did not fit is wanted.
    pub(super) fn wants(&mut self) -> bool {
        self.waiting = self.waiting.saturating_sub(1);
        self.resting == 0 && self.waiting == 0
    }

    /// Takes a layout in, in the place of the one that fitted least where there is no room.
    pub(super) fn take(&mut self, layout: Layout) {
        if self.known.len() >= MAX_KNOWN {
            let useless = self.known.pop().is_some_and(|layout| layout.fitted == 0);
            self.patience = if useless { (self.patience * 2).clamp(1, MAX_PATIENCE) } else { 0 };
            // What fitted long ago counts for less.
            self.known.iter_mut().for_each(|layout| layout.fitted /= 2);
        }
        self.waiting = self.patience;
        self.known.push(layout);
    }
}
