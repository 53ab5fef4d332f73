//! Protobuf's wire format as a borrowed walk: fields in the order they stand, nothing copied.
//! Source: protobuf.dev/programming-guides/encoding.

use crate::engine::decode::sink::Refusal;

/// A field's value as it stands on the wire.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::engine::decode) enum Wire<'a> {
    Varint(u64),
    Fixed64(u64),
    Bytes(&'a [u8]),
    Fixed32(u32),
}

impl<'a> Wire<'a> {
    #[inline]
    pub(in crate::engine::decode) fn bytes(self, what: &'static str) -> Result<&'a [u8], Broken> {
        match self {
            Self::Bytes(bytes) => Ok(bytes),
            _ => Err(Broken::wrong(what)),
        }
    }

    #[inline]
    pub(in crate::engine::decode) fn varint(self, what: &'static str) -> Result<u64, Broken> {
        match self {
            Self::Varint(value) => Ok(value),
            _ => Err(Broken::wrong(what)),
        }
    }

    #[inline]
    pub(in crate::engine::decode) fn fixed64(self, what: &'static str) -> Result<u64, Broken> {
        match self {
            Self::Fixed64(value) => Ok(value),
            _ => Err(Broken::wrong(what)),
        }
    }
}

/// Why bytes are no protobuf, or not of this format. Small: it is the other half of every result on the way.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::engine::decode) struct Broken {
    /// What is wrong, or with [`Broken::of_type`] what has the wrong type.
    what: &'static str,
    of_type: bool,
    /// Address of the first byte that was not understood.
    at: Option<usize>,
}

impl Broken {
    pub(in crate::engine::decode) const fn wrong(what: &'static str) -> Self {
        Self { what, of_type: true, at: None }
    }
}

impl From<Broken> for Refusal {
    #[cold]
    fn from(broken: Broken) -> Self {
        let wrong = if broken.of_type { " has another wire type" } else { "" };
        let refusal = Self::malformed(format!("not protobuf of this format: {}{wrong}", broken.what));
        Self { at: broken.at, ..refusal }
    }
}

/// Walks the fields of one message.
#[derive(Clone, Debug)]
pub(in crate::engine::decode) struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    #[inline]
    pub(in crate::engine::decode) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// The next field's number and value; groups, which OTLP never uses, are skipped whole.
    #[inline(always)]
    pub(in crate::engine::decode) fn next(&mut self) -> Result<Option<(u32, Wire<'a>)>, Broken> {
        // Most fields have a number below 16, and a value of less than 16 KiB: they are read where they are asked for.
        let Some((&key @ 8..0x80, rest)) = self.rest.split_first() else {
            return if self.rest.is_empty() { Ok(None) } else { self.any() };
        };
        let number = u32::from(key >> 3);
        match (key & 7, rest) {
            (2, &[length @ 0..0x80, ref rest @ ..]) => {
                if let Some((bytes, rest)) = rest.split_at_checked(usize::from(length)) {
                    self.rest = rest;
                    return Ok(Some((number, Wire::Bytes(bytes))));
                }
            }
            (2, &[low, high @ 0..0x80, ref rest @ ..]) => {
                let length = usize::from(low & 0x7f) | usize::from(high) << 7;
                if let Some((bytes, rest)) = rest.split_at_checked(length) {
                    self.rest = rest;
                    return Ok(Some((number, Wire::Bytes(bytes))));
                }
            }
            (1, rest) => {
                if let Some((bytes, rest)) = rest.split_first_chunk() {
                    self.rest = rest;
                    return Ok(Some((number, Wire::Fixed64(u64::from_le_bytes(*bytes)))));
                }
            }
            (0, &[value @ 0..0x80, ref rest @ ..]) => {
                self.rest = rest;
                return Ok(Some((number, Wire::Varint(u64::from(value)))));
            }
            _ => {}
        }
        self.any()
    }

    #[inline(never)]
    fn any(&mut self) -> Result<Option<(u32, Wire<'a>)>, Broken> {
        while !self.rest.is_empty() {
            let key = self.varint()?;
            let number = u32::try_from(key >> 3).ok().filter(|number| *number > 0);
            let number = number.ok_or_else(|| self.broken("impossible field number"))?;
            if key & 7 == 3 {
                self.skip_group(number)?;
                continue;
            }
            return Ok(Some((number, self.value(key & 7)?)));
        }
        Ok(None)
    }

    #[inline]
    fn value(&mut self, wire_type: u64) -> Result<Wire<'a>, Broken> {
        match wire_type {
            0 => self.varint().map(Wire::Varint),
            1 => self.array().map(|bytes| Wire::Fixed64(u64::from_le_bytes(bytes))),
            2 => {
                let length = self.varint()?;
                let length = usize::try_from(length).map_err(|_| self.cut())?;
                self.take(length).map(Wire::Bytes)
            }
            5 => self.array().map(|bytes| Wire::Fixed32(u32::from_le_bytes(bytes))),
            4 => Err(self.broken("the end of a group that was not begun")),
            _ => Err(self.broken("impossible wire type")),
        }
    }

    /// Skips to the end of a group, nested ones too, without recursion.
    fn skip_group(&mut self, number: u32) -> Result<(), Broken> {
        let mut open = vec![number];
        while let Some(innermost) = open.last().copied() {
            let key = self.varint()?;
            let number = (key >> 3) as u32;
            match key & 7 {
                3 if open.len() < 100 => open.push(number),
                4 if number == innermost => drop(open.pop()),
                3 | 4 => return Err(self.broken("a group without its end")),
                wire_type => drop(self.value(wire_type)?),
            }
        }
        Ok(())
    }

    #[inline]
    fn varint(&mut self) -> Result<u64, Broken> {
        if let [byte @ 0..0x80, rest @ ..] = self.rest {
            self.rest = rest;
            return Ok(u64::from(*byte));
        }
        self.long_varint()
    }

    fn long_varint(&mut self) -> Result<u64, Broken> {
        let mut value = 0_u64;
        for (at, byte) in self.rest.iter().enumerate().take(10) {
            let bits = u64::from(byte & 0x7f);
            if at == 9 && bits > 1 {
                break;
            }
            value |= bits << (7 * at);
            if byte & 0x80 == 0 {
                self.rest = &self.rest[at + 1..];
                return Ok(value);
            }
        }
        Err(if self.rest.len() < 10 { self.cut() } else { self.broken("a number of more than 64 bits") })
    }

    #[inline]
    fn take(&mut self, length: usize) -> Result<&'a [u8], Broken> {
        let (head, rest) = self.rest.split_at_checked(length).ok_or_else(|| self.cut())?;
        self.rest = rest;
        Ok(head)
    }

    #[inline]
    fn array<const N: usize>(&mut self) -> Result<[u8; N], Broken> {
        let (head, rest) = self.rest.split_first_chunk::<N>().ok_or_else(|| self.cut())?;
        self.rest = rest;
        Ok(*head)
    }

    #[cold]
    fn cut(&self) -> Broken {
        self.broken("cut off in the middle of a field")
    }

    #[cold]
    fn broken(&self, what: &'static str) -> Broken {
        Broken { what, of_type: false, at: Some(self.rest.as_ptr().addr()) }
    }
}

/// True when the bytes are one or more length-delimited fields of number 1 that end exactly with the bytes: the outside of every
/// OTLP export request.
pub(in crate::engine::decode) fn is_list_of_field_1(bytes: &[u8]) -> bool {
    let mut fields = Fields::new(bytes);
    let mut any = false;
    loop {
        match fields.next() {
            Ok(Some((1, Wire::Bytes(_)))) => any = true,
            Ok(None) => return any,
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use super::*;

    #[test]
    fn numbers_of_every_length_are_read() {
        for value in [0, 1, 127, 128, 300, u64::from(u32::MAX), u64::MAX] {
            let mut bytes = vec![0x08];
            prost::encoding::encode_varint(value, &mut bytes);
            assert_eq!(Fields::new(&bytes).next(), Ok(Some((1, Wire::Varint(value)))));
        }
    }

    #[test]
    fn a_cut_field_is_an_error_and_a_group_is_skipped() {
        assert!(Fields::new(&[0x0a, 0x05, 1, 2]).next().is_err());
        assert!(Fields::new(&[0x80; 11]).next().is_err());
        assert!(Fields::new(&[0x09, 1]).next().is_err());
        let mut fields = Fields::new(&[0x13, 0x08, 0x01, 0x14, 0x18, 0x02]);
        assert_eq!(fields.next(), Ok(Some((3, Wire::Varint(2)))));
        assert!(Fields::new(&[0x13, 0x08, 0x01]).next().is_err());
        assert!(Fields::new(&vec![0x13; 1_000]).next().is_err());
    }
}
