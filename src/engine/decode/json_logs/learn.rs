//! The layout of a record: what stands between its values, and what these are for.

use serde::de::IgnoredAny;

use super::layout::{Layout, MAX_BETWEEN, MAX_PARTS, Part, first_value};
use super::plain::plain_length;
use crate::engine::decode::log_line::fields::{Fields, Target, WRAPPED};

/// Objects inside each other whose keys are looked up.
const MAX_DEPTH: usize = 8;

/// The layout of one valid object; `None` of one too large or too strange to be worth it.
pub(super) fn layout_of(text: &str, fields: &Fields) -> Option<Layout> {
    let mut learner = Learner { text, at: 0, from: 0, fields, layout: Layout::default() };
    learner.object("", 0, MAX_DEPTH)?;
    learner.layout.between.extend_from_slice(text.as_bytes().get(learner.from..)?);
    let Layout { parts, between, .. } = &learner.layout;
    (!parts.is_empty() && between.len() <= MAX_BETWEEN).then_some(learner.layout)
}

struct Learner<'t, 'f> {
    text: &'t str,
    at: usize,
    /// End of the last value.
    from: usize,
    fields: &'f Fields,
    layout: Layout,
}

impl<'t> Learner<'t, '_> {
    fn rest(&self) -> Option<&'t str> {
        self.text.get(self.at..)
    }

    /// The next byte that is no white space.
    fn peek(&mut self) -> Option<u8> {
        let rest = self.rest()?;
        let byte = rest.bytes().find(|byte| !byte.is_ascii_whitespace())?;
        self.at += rest.bytes().position(|at| at == byte)?;
        Some(byte)
    }

    fn expect(&mut self, byte: u8) -> Option<()> {
        (self.peek()? == byte).then(|| self.at += 1)
    }

    fn key(&mut self) -> Option<&'t str> {
        self.expect(b'"')?;
        let rest = self.rest()?;
        let length = plain_length(rest.as_bytes())?;
        self.at += length + 1;
        rest.get(..length)
    }

    /// `path`: dotted name of the object, with its last dot.
    fn object(&mut self, path: &str, added_rank: u8, depth: usize) -> Option<()> {
        let depth = depth.checked_sub(1)?;
        self.expect(b'{')?;
        if self.peek()? == b'}' {
            self.at += 1;
            return Some(());
        }
        loop {
            let name = format!("{path}{}", self.key()?);
            self.layout.keys += 1;
            self.expect(b':')?;
            self.value(&name, self.fields.find(&name), added_rank, depth)?;
            match self.peek()? {
                b',' => self.at += 1,
                b'}' => {
                    self.at += 1;
                    return Some(());
                }
                _ => return None,
            }
        }
    }

    fn value(&mut self, name: &str, target: Target, added_rank: u8, depth: usize) -> Option<()> {
        let is_object = self.peek()? == b'{';
        if is_object && target.wrapper {
            return self.object("", added_rank.saturating_add(WRAPPED), depth);
        }
        if is_object && target.nested {
            return self.object(&format!("{name}."), added_rank, depth);
        }
        if self.layout.parts.len() >= MAX_PARTS {
            return None;
        }
        self.layout.between.extend_from_slice(self.text.as_bytes().get(self.from..self.at)?);
        let (slot, rank) = (target.slot, target.rank.saturating_add(added_rank));
        self.layout.parts.push(Part { end: self.layout.between.len(), slot, rank, opens: target.nested || target.wrapper });
        let (_, length) = first_value::<IgnoredAny>(self.rest()?)?;
        self.at += length;
        self.from = self.at;
        Some(())
    }
}
