//! What the logs of a span say of its failure.

use crate::engine::decode::otlp::facts::Scalar;
use crate::engine::decode::otlp::span::Exception;

/// Fields of one log as they are met.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct LogFields<'a> {
    event: Option<&'a [u8]>,
    exception: Exception<'a>,
    /// By OpenTracing's names.
    kind: Option<&'a [u8]>,
    message: Option<&'a [u8]>,
    object: Option<&'a [u8]>,
    stack: Option<&'a [u8]>,
}

impl<'a> LogFields<'a> {
    pub(super) fn field(&mut self, key: &[u8], value: Scalar<'a>) {
        match key {
            b"event" => self.event = value.text(),
            b"error.kind" => self.kind = value.text(),
            b"message" => self.message = value.text(),
            b"error.object" | b"error" => self.object = value.text(),
            b"stack" => self.stack = value.text(),
            _ => self.exception.attribute(key, value),
        }
    }

    /// The failure it tells of, if it does.
    pub(super) fn exception(self) -> Option<Exception<'a>> {
        let told = self.exception.kind.is_some() || self.exception.message.is_some() || matches!(self.event, Some(b"error" | b"exception"));
        told.then_some(Exception {
            kind: self.exception.kind.or(self.kind),
            message: self.exception.message.or(self.message).or(self.object),
            stack: self.exception.stack.or(self.stack),
        })
    }
}
