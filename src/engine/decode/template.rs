//! A log message's template: the message with its variables cut out.
//!
//! Stateless and Drain-like (He et al., "Drain: An Online Log Parsing Approach with Fixed Depth Tree", ICWS 2017, reduced to
//! its token masking): a leading clock and `TraceID:`/`SpanID:` pairs are dropped, the first 160 characters are split on
//! white space and `[](){},;=:'"<>|`, tokens that look variable become `*`, and the first eight tokens stand for the message.
//! The same message gives the same template in every process.

/// Characters of a message that are looked at.
const MAX_CHARS: usize = 160;
/// Tokens that stand for a message.
const MAX_TOKENS: usize = 8;

/// Ids that a message carries as `TraceID: x SpanID: y`, as far as its template was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ids<'m> {
    pub trace: Option<&'m str>,
    pub span: Option<&'m str>,
}

/// The template of a message as a text of its own.
pub fn template(message: &str) -> String {
    let mut out = String::new();
    write(message, &mut out);
    out
}

/// Writes the template of `message` into `out`, replacing what was there. Allocates only when `out` must grow.
pub fn write<'m>(message: &'m str, out: &mut String) -> Ids<'m> {
    out.clear();
    let bytes = message.as_bytes();
    let mut ids = Ids::default();
    let mut at = skip_clock(bytes);
    let mut chars_left = MAX_CHARS;
    let mut tokens = 0;
    while at < bytes.len() && tokens < MAX_TOKENS && chars_left > 0 {
        let separator = separator_len(bytes, at);
        if separator > 0 {
            at += separator;
            chars_left -= 1;
            continue;
        }
        let (end, chars) = token_end(bytes, at, chars_left);
        let token = message.get(at..end).unwrap_or_default();
        if let Some((kind, value_end, value)) = id_pair(message, token, end) {
            match kind {
                IdKind::Trace => ids.trace = ids.trace.or(Some(value)),
                IdKind::Span => ids.span = ids.span.or(Some(value)),
            }
            at = value_end;
            continue;
        }
        if tokens > 0 {
            out.push(' ');
        }
        push_token(token, out);
        tokens += 1;
        chars_left -= chars;
        at = end;
    }
    ids
}

/// The ids a message carries anywhere, as `TraceID: x`, `trace_id=x` and the like.
pub fn find_ids(message: &str) -> Ids<'_> {
    let bytes = message.as_bytes();
    let mut ids = Ids::default();
    let mut at = 0;
    while at < bytes.len() && (ids.trace.is_none() || ids.span.is_none()) {
        // `trace_id` and `span_id` end in `id` before `:` or `=`: those two are rare, so they are looked for first.
        let Some(mark) = bytes[at..].iter().position(|&b| b == b':' || b == b'=').map(|offset| at + offset) else { break };
        at = mark + 1;
        let start =
            bytes[..mark].iter().rposition(|&b| !(b.is_ascii_alphanumeric() || b == b'_' || b == b'-')).map_or(0, |before| before + 1);
        let Some(name) = message.get(start..mark) else { continue };
        if let Some((kind, value_end, value)) = id_pair(message, name, mark) {
            match kind {
                IdKind::Trace => ids.trace = ids.trace.or(Some(value)),
                IdKind::Span => ids.span = ids.span.or(Some(value)),
            }
            at = value_end.max(at);
        }
    }
    ids
}

#[derive(Clone, Copy)]
enum IdKind {
    Trace,
    Span,
}

/// Reads `name: value` or `name=value` where `name` (ending at `end`) names a trace or span id: (kind, where the rest starts, value).
fn id_pair<'m>(message: &'m str, name: &str, end: usize) -> Option<(IdKind, usize, &'m str)> {
    let kind = match name.len() {
        6..=8 if name.eq_ignore_ascii_case("traceid") || name.eq_ignore_ascii_case("trace_id") || name.eq_ignore_ascii_case("trace-id") => {
            IdKind::Trace
        }
        6..=7 if name.eq_ignore_ascii_case("spanid") || name.eq_ignore_ascii_case("span_id") || name.eq_ignore_ascii_case("span-id") => {
            IdKind::Span
        }
        _ => return None,
    };
    let bytes = message.as_bytes();
    if !matches!(bytes.get(end), Some(b':' | b'=')) {
        return None;
    }
    let start = if bytes.get(end + 1) == Some(&b' ') { end + 2 } else { end + 1 };
    let rest = message.get(start..)?;
    let length = rest.find(char::is_whitespace).unwrap_or(rest.len());
    let value = &rest[..length];
    let next = start + length + usize::from(bytes.get(start + length) == Some(&b' '));
    let value = value.trim_matches(|c: char| !c.is_ascii_alphanumeric());
    (!value.is_empty()).then_some((kind, next, value))
}

/// Length in bytes of the separator at `at`; 0 when there is none.
fn separator_len(bytes: &[u8], at: usize) -> usize {
    match bytes[at] {
        b' ' | b'\t'..=b'\r' | b'[' | b']' | b'(' | b')' | b'{' | b'}' | b',' | b';' | b'=' | b':' | b'\'' | b'"' | b'<' | b'>' | b'|' => 1,
        // No-break space, full-width colon, ideographic space.
        0xC2 if bytes.get(at + 1) == Some(&0xA0) => 2,
        0xEF if bytes.get(at + 1..at + 3) == Some(&[0xBC, 0x9A]) => 3,
        0xE3 if bytes.get(at + 1..at + 3) == Some(&[0x80, 0x80]) => 3,
        _ => 0,
    }
}

/// End of the token that starts at `start`, and its length in characters, at most `limit`.
fn token_end(bytes: &[u8], start: usize, limit: usize) -> (usize, usize) {
    let mut at = start;
    let mut chars = 0;
    while at < bytes.len() && separator_len(bytes, at) == 0 {
        let starts_char = bytes[at] & 0xC0 != 0x80;
        if starts_char && chars == limit {
            break;
        }
        chars += usize::from(starts_char);
        at += 1;
    }
    (at, chars)
}

/// Where the message starts once a leading date and clock are dropped (`2026-11-23 14:02:10,214`, `[14:02:10.214]`).
fn skip_clock(bytes: &[u8]) -> usize {
    let mut at = 0;
    loop {
        let open = bytes[at..].iter().take_while(|&&b| b == b'[' || b.is_ascii_whitespace()).count();
        let start = at + open;
        let length = bytes[start..].iter().take_while(|&&b| b.is_ascii_digit() || b":.,-/TZ+".contains(&b)).count();
        if !is_clock(&bytes[start..start + length]) {
            return at;
        }
        let rest = &bytes[start + length..];
        let close = rest.iter().take_while(|&&b| b == b']' || b.is_ascii_whitespace()).count();
        if close == 0 {
            return at;
        }
        at = start + length + close;
    }
}

/// `hh:mm:ss`, `yyyy-mm-dd` or `yyyy/mm/dd` at the start, whatever follows.
fn is_clock(text: &[u8]) -> bool {
    let shape = |pattern: &[u8]| {
        text.len() >= pattern.len() && text.iter().zip(pattern).all(|(b, p)| if *p == b'0' { b.is_ascii_digit() } else { b == p })
    };
    shape(b"00:00:00") || shape(b"0000-00-00") || shape(b"0000/00/00")
}

fn push_token(token: &str, out: &mut String) {
    let bytes = token.as_bytes();
    if !bytes.iter().any(u8::is_ascii_digit) {
        out.push_str(if is_calendar_word(bytes) { "*" } else { token });
        return;
    }
    if is_number(bytes) || is_hex(bytes) || is_short_code(bytes) || is_quantity(bytes) {
        out.push('*');
        return;
    }
    push_parts(token, out);
}

/// Masks the numeric parts of a path or compound name: `/orders/8842` → `/orders/*`, `cart-4821` → `cart-*`. A code in
/// capitals (`ORA-01555`) stays: it names the kind of the message.
fn push_parts(token: &str, out: &mut String) {
    let is_joint = |c: char| matches!(c, '/' | '?' | '&' | '#' | '@' | '_' | '-');
    let is_code = token.split(is_joint).next().is_some_and(|first| !first.is_empty() && first.bytes().all(|b| b.is_ascii_uppercase()));
    if is_code {
        out.push_str(token);
        return;
    }
    let mut rest = token;
    while !rest.is_empty() {
        let end = rest.find(is_joint).unwrap_or(rest.len());
        let part = &rest.as_bytes()[..end];
        let digits = part.iter().filter(|b| b.is_ascii_digit()).count();
        let masked = digits > 0 && (digits == part.len() && (digits >= 3 || token.contains('/')) || is_hex(part));
        out.push_str(if masked { "*" } else { &rest[..end] });
        let joint = rest[end..].chars().next().map_or(0, char::len_utf8);
        out.push_str(&rest[end..end + joint]);
        rest = &rest[end + joint..];
    }
}

/// A number, date or clock: a digit, perhaps signed, then digits and `.:/-T+Z%`.
fn is_number(token: &[u8]) -> bool {
    let unsigned = token.strip_prefix(b"-").or_else(|| token.strip_prefix(b"+")).unwrap_or(token);
    unsigned.first().is_some_and(u8::is_ascii_digit) && unsigned.iter().all(|b| b.is_ascii_digit() || b".:/-TtZz+%".contains(b))
}

/// `0x…`, or eight and more hexadecimal digits with a decimal one among them (a UUID too).
fn is_hex(token: &[u8]) -> bool {
    if let Some(digits) = token.strip_prefix(b"0x").or_else(|| token.strip_prefix(b"0X")) {
        return !digits.is_empty() && digits.iter().all(u8::is_ascii_hexdigit);
    }
    token.len() >= 8
        && token[..8].iter().all(u8::is_ascii_hexdigit)
        && token[8..].iter().all(|b| b.is_ascii_hexdigit() || *b == b'-')
        && token.iter().any(u8::is_ascii_digit)
}

/// One to three letters, then digits: `D1345`.
fn is_short_code(token: &[u8]) -> bool {
    let letters = token.iter().take_while(|b| b.is_ascii_alphabetic()).count();
    (1..=3).contains(&letters) && letters < token.len() && token[letters..].iter().all(u8::is_ascii_digit)
}

/// A number with its unit: `12ms`, `1m30s`, `512MiB`, `1.5GB`.
fn is_quantity(token: &[u8]) -> bool {
    const UNITS: [&[u8]; 22] = [
        b"ns",
        b"us",
        b"ms",
        b"s",
        b"m",
        b"h",
        b"d",
        b"b",
        b"k",
        b"kb",
        b"mb",
        b"gb",
        b"tb",
        b"ki",
        b"mi",
        b"gi",
        b"kib",
        b"mib",
        b"gib",
        b"sec",
        b"min",
        b"\xc2\xb5s",
    ];
    let mut rest = token.strip_prefix(b"-").or_else(|| token.strip_prefix(b"+")).unwrap_or(token);
    while !rest.is_empty() {
        let digits = rest.iter().take_while(|b| b.is_ascii_digit() || **b == b'.').count();
        let unit = rest[digits..].iter().take_while(|b| !b.is_ascii_digit()).count();
        let name = &rest[digits..digits + unit];
        if !rest[0].is_ascii_digit() || !UNITS.iter().any(|known| known.eq_ignore_ascii_case(name)) {
            return false;
        }
        rest = &rest[digits + unit..];
    }
    true
}

/// Names of weekdays and months, short and long.
fn is_calendar_word(token: &[u8]) -> bool {
    const WORDS: [&[u8]; 19] = [
        b"monday",
        b"tuesday",
        b"wednesday",
        b"thursday",
        b"friday",
        b"saturday",
        b"sunday",
        b"january",
        b"february",
        b"march",
        b"april",
        b"may",
        b"june",
        b"july",
        b"august",
        b"september",
        b"october",
        b"november",
        b"december",
    ];
    (3..=9).contains(&token.len())
        && WORDS.iter().any(|word| word.eq_ignore_ascii_case(token) || token.len() == 3 && word[..3].eq_ignore_ascii_case(token))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_cut_out_and_words_stay() {
        let cases = [
            ("Find contacts by id 4d2a46c7-71cb-4cf1-b5bb-b68406d9da6f", "Find contacts by id *"),
            ("12:01:33.512 INFO Get trip D1345 on Sun 2026-11-23", "INFO Get trip * on * *"),
            ("order-4821 took 35ms (retry 2 of 3)", "order-* took * retry * of *"),
            ("GET /api/v1/orders/8842 -> 200", "GET /api/v1/orders/* -> *"),
            ("ORA-01555 snapshot too old", "ORA-01555 snapshot too old"),
            ("", ""),
            ("[[[", ""),
            ("[2026-11-23 14:02:10,214] cache miss", "cache miss"),
            ("pool exhausted: waited 1m30s for 0xdeadbeef", "pool exhausted waited * for *"),
            ("连接：失败 数据库", "连接 失败 数据库"),
            ("a b c d e f g h i j", "a b c d e f g h"),
        ];
        for (message, expected) in cases {
            assert_eq!(template(message), expected, "{message}");
        }
    }

    #[test]
    fn ids_in_the_message_are_taken_and_do_not_split_templates() {
        let mut out = String::new();
        let ids = write("09:12:01.100 TraceID: 5b8efff798038103d269b633813fc60c SpanID: eee19b7ec3c1b174 Query order", &mut out);
        assert_eq!(out, "Query order");
        assert_eq!(ids, Ids { trace: Some("5b8efff798038103d269b633813fc60c"), span: Some("eee19b7ec3c1b174") });
        assert_eq!(template("trace_id=abc1 Query order"), "Query order");
    }

    #[test]
    fn ids_far_back_in_the_message_are_found() {
        let message = format!("{} done, trace_id=[5b8efff798038103d269b633813fc60c] span_id=\"eee19b7ec3c1b174\"", "word ".repeat(50));
        let ids = find_ids(&message);
        assert_eq!(ids, Ids { trace: Some("5b8efff798038103d269b633813fc60c"), span: Some("eee19b7ec3c1b174") });
        assert_eq!(find_ids("a=1 b:2 traceid:"), Ids::default());
    }

    #[test]
    fn a_long_message_counts_only_its_first_characters() {
        let message = "é".repeat(1_000);
        assert_eq!(template(&message).chars().count(), MAX_CHARS);
    }
}
