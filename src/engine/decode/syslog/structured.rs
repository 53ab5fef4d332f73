//! RFC 5424's structured data: `[id name="value" …][…]` or `-`.

use std::borrow::Cow;

use crate::engine::decode::log_line::fields::{Fields, Slot};
use crate::engine::decode::log_line::{Line, Scalar};
use crate::engine::decode::logfmt::end_of_quoted;

/// Takes the fields whose names are known; returns what follows the data. An error is a place and what is wrong there.
pub(super) fn read<'m>(text: &'m str, fields: &Fields, line: &mut Line<'m>) -> Result<&'m str, (usize, &'static str)> {
    if let Some(rest) = text.strip_prefix('-').filter(|rest| rest.is_empty() || rest.starts_with(' ')) {
        return Ok(rest);
    }
    let here = |rest: &str| text.len() - rest.len();
    let mut rest = text;
    let mut elements = 0;
    while let Some(element) = rest.strip_prefix('[') {
        elements += 1;
        let end = element.find([' ', ']']).ok_or((here(rest), "an element without its end"))?;
        rest = &element[end..];
        while let Some(pair) = rest.strip_prefix(' ').map(str::trim_start).filter(|pair| !pair.starts_with(']')) {
            let (name, value) = pair.split_once("=\"").ok_or((here(pair), "no name=\"value\""))?;
            let end = end_of_quoted(value.as_bytes()).ok_or((here(pair), "a value without its closing quote"))?;
            set(name, unescaped(&value[..end]), fields, line);
            rest = &value[end + 1..];
        }
        rest = rest.trim_start_matches(' ').strip_prefix(']').ok_or((here(rest), "an element without its end"))?;
    }
    if elements == 0 { Err((0, "neither `-` nor `[`")) } else { Ok(rest) }
}

fn set<'m>(name: &str, value: Cow<'m, str>, fields: &Fields, line: &mut Line<'m>) {
    let target = fields.find(name);
    // What the header says is not said again; senders call other things `event` or `time`.
    let Some(slot) = target.slot.filter(|slot| !matches!(slot, Slot::Message | Slot::Time | Slot::Level)) else { return };
    line.set(slot, target.rank, Scalar::Text(value));
}

/// `\"`, `\\` and `\]` are escapes; any other backslash stands for itself.
fn unescaped(text: &str) -> Cow<'_, str> {
    if !text.contains('\\') {
        return Cow::Borrowed(text);
    }
    let mut plain = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '\\' if matches!(characters.peek(), Some('"' | '\\' | ']')) => plain.extend(characters.next()),
            other => plain.push(other),
        }
    }
    Cow::Owned(plain)
}
