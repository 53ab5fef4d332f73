//! The fields of one log line as they were found, borrowed from its bytes.

use std::borrow::Cow;

use super::fields::Slot;
use crate::model::{Severity, Timestamp};

/// A scalar as it stood in the record.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::engine::decode) enum Scalar<'a> {
    Text(Cow<'a, str>),
    Integer(i64),
    Float(f64),
}

impl<'a> Scalar<'a> {
    /// The scalar as text, numbers written out.
    pub(in crate::engine::decode) fn into_text(self) -> Cow<'a, str> {
        match self {
            Self::Text(text) => text,
            Self::Integer(value) => Cow::Owned(value.to_string()),
            Self::Float(value) => Cow::Owned(value.to_string()),
        }
    }

    pub(in crate::engine::decode) fn integer(&self) -> Option<i64> {
        match self {
            Self::Text(text) => text.trim().parse().ok(),
            Self::Integer(value) => Some(*value),
            Self::Float(_) => None,
        }
    }
}

/// The fields found so far, each with the rank of the name it stood under. Apart from each other, for a line is made for every
/// record: so it is half as large.
#[derive(Debug, Default)]
pub(in crate::engine::decode) struct Line<'a> {
    values: [Option<Scalar<'a>>; Slot::COUNT],
    ranks: [u8; Slot::COUNT],
    /// Keys seen at all, to tell an empty object from a strange one.
    pub(in crate::engine::decode) keys: u32,
    /// Time, where the format's own rules gave it.
    pub(in crate::engine::decode) time: Option<Timestamp>,
    /// Level, where the format's own rules gave it.
    pub(in crate::engine::decode) severity: Option<Severity>,
}

impl<'a> Line<'a> {
    pub(in crate::engine::decode) fn take(&mut self, slot: Slot) -> Option<Scalar<'a>> {
        self.values[slot as usize].take()
    }

    pub(in crate::engine::decode) fn peek(&self, slot: Slot) -> Option<&Scalar<'a>> {
        self.values[slot as usize].as_ref()
    }

    pub(in crate::engine::decode) fn rank(&self, slot: Slot) -> Option<u8> {
        self.values[slot as usize].as_ref().map(|_| self.ranks[slot as usize])
    }

    pub(in crate::engine::decode) fn take_text(&mut self, slot: Slot) -> Option<Cow<'a, str>> {
        self.take(slot).map(Scalar::into_text).filter(|text| !text.is_empty())
    }

    pub(in crate::engine::decode) fn set(&mut self, slot: Slot, rank: u8, value: Scalar<'a>) {
        if self.rank(slot).is_none_or(|taken| rank < taken) {
            self.put(slot, rank, value);
        }
    }

    fn put(&mut self, slot: Slot, rank: u8, value: Scalar<'a>) {
        self.values[slot as usize] = Some(value);
        self.ranks[slot as usize] = rank;
    }

    pub(in crate::engine::decode) fn set_text(&mut self, slot: Slot, rank: u8, text: &'a str) {
        self.set(slot, rank, Scalar::Text(Cow::Borrowed(text)));
    }

    /// What an application wrote, over what those that carried it added.
    pub(super) fn over(mut self, mut wrapper: Self) -> Self {
        let readable = self.peek(Slot::Time).and_then(super::read_time).is_some();
        if !readable {
            self.values[Slot::Time as usize] = wrapper.take(Slot::Time);
            self.ranks[Slot::Time as usize] = wrapper.ranks[Slot::Time as usize];
            self.time = wrapper.time;
        }
        if self.peek(Slot::Level).is_none() && self.peek(Slot::SeverityNumber).is_none() {
            self.severity = wrapper.severity;
        }
        for slot in Slot::ALL {
            let rank = wrapper.ranks[slot as usize];
            let Some(value) = wrapper.take(slot) else { continue };
            let own = self.rank(slot);
            let replaced = match slot {
                Slot::Service | Slot::Environment | Slot::Host | Slot::Version => own.is_none_or(|own| rank <= own),
                Slot::Message | Slot::Time => false,
                _ => own.is_none(),
            };
            if replaced {
                self.put(slot, rank, value);
            }
        }
        self
    }
}
