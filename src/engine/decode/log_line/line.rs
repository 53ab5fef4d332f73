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

/// The fields found so far, each with the rank of the name it stood under.
#[derive(Debug, Default)]
pub(in crate::engine::decode) struct Line<'a> {
    values: [Option<(u8, Scalar<'a>)>; Slot::COUNT],
    /// Keys seen at all, to tell an empty object from a strange one.
    pub(in crate::engine::decode) keys: u32,
    /// Time, where the format's own rules gave it.
    pub(in crate::engine::decode) time: Option<Timestamp>,
    /// Level, where the format's own rules gave it.
    pub(in crate::engine::decode) severity: Option<Severity>,
}

impl<'a> Line<'a> {
    pub(in crate::engine::decode) fn take(&mut self, slot: Slot) -> Option<Scalar<'a>> {
        self.values[slot as usize].take().map(|(_, value)| value)
    }

    pub(in crate::engine::decode) fn peek(&self, slot: Slot) -> Option<&Scalar<'a>> {
        self.values[slot as usize].as_ref().map(|(_, value)| value)
    }

    pub(in crate::engine::decode) fn rank(&self, slot: Slot) -> Option<u8> {
        self.values[slot as usize].as_ref().map(|(rank, _)| *rank)
    }

    pub(in crate::engine::decode) fn take_text(&mut self, slot: Slot) -> Option<Cow<'a, str>> {
        self.take(slot).map(Scalar::into_text).filter(|text| !text.is_empty())
    }

    pub(in crate::engine::decode) fn set(&mut self, slot: Slot, rank: u8, value: Scalar<'a>) {
        let place = &mut self.values[slot as usize];
        if place.as_ref().is_none_or(|(taken, _)| rank < *taken) {
            *place = Some((rank, value));
        }
    }

    pub(in crate::engine::decode) fn set_text(&mut self, slot: Slot, rank: u8, text: &'a str) {
        self.set(slot, rank, Scalar::Text(Cow::Borrowed(text)));
    }

    /// What an application wrote, over what those that carried it added.
    pub(super) fn over(mut self, mut wrapper: Self) -> Self {
        let readable = self.peek(Slot::Time).and_then(super::read_time).is_some();
        if !readable {
            self.values[Slot::Time as usize] = wrapper.values[Slot::Time as usize].take();
            self.time = wrapper.time;
        }
        if self.peek(Slot::Level).is_none() && self.peek(Slot::SeverityNumber).is_none() {
            self.severity = wrapper.severity;
        }
        for slot in Slot::ALL {
            let Some((rank, value)) = wrapper.values[slot as usize].take() else { continue };
            let own = self.rank(slot);
            let replaced = match slot {
                Slot::Service | Slot::Environment | Slot::Host | Slot::Version => own.is_none_or(|own| rank <= own),
                Slot::Message | Slot::Time => false,
                _ => own.is_none(),
            };
            if replaced {
                self.values[slot as usize] = Some((rank, value));
            }
        }
        self
    }
}
