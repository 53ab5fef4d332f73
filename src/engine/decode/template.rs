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
    let mut scratch = Scratch::default();
    scan(message, &mut scratch);
    scratch.text().to_owned()
}

/// Where templates are written: as large as the longest, so that scanning never allocates.
#[derive(Debug)]
pub(super) struct Scratch {
    /// Four bytes for each character looked at; a space between tokens stands for a separator that was one of them.
    bytes: [u8; 4 * MAX_CHARS],
    length: usize,
}

impl Default for Scratch {
    fn default() -> Self {
        Self { bytes: [0; 4 * MAX_CHARS], length: 0 }
    }
}

impl Scratch {
    /// What was written: whole characters of the message, so always UTF-8.
    pub(super) fn text(&self) -> &str {
        std::str::from_utf8(self.bytes()).unwrap_or_default()
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }

    #[inline]
    fn push(&mut self, byte: u8) {
        if let Some(place) = self.bytes.get_mut(self.length) {
            *place = byte;
            self.length += 1;
        }
    }

    fn push_str(&mut self, text: &str) {
        text.bytes().for_each(|byte| self.push(byte));
    }
}

/// Writes the template of `message` into `out`, replacing what was there.
pub(super) fn scan<'m>(message: &'m str, out: &mut Scratch) -> Ids<'m> {
    out.length = 0;
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
        let before = out.length;
        if tokens > 0 {
            out.push(b' ');
        }
        let start = out.length;
        let token = Token::copy(bytes, at, chars_left, out);
        if matches!(bytes.get(token.end), Some(b':' | b'='))
            && let Some(pair) = id_pair(message, at, token.end)
        {
            out.length = before;
            ids.take(&pair);
            at = pair.next;
            continue;
        }
        let text = &bytes[at..token.end];
        if token.has_digit {
            out.length = start;
            push_masked(message.get(at..token.end).unwrap_or_default(), tokens == 0, out);
        } else if is_calendar_word(text) {
            out.length = start;
            out.push(b'*');
        }
        tokens += 1;
        chars_left -= token.chars;
        at = token.end;
    }
    ids
}

/// The ids a message carries anywhere, as `TraceID: x`, `trace_id=x` and the like.
pub fn find_ids(message: &str) -> Ids<'_> {
    let bytes = message.as_bytes();
    let mut ids = Ids::default();
    let mut at = 0;
    while ids.trace.is_none() || ids.span.is_none() {
        // Names of ids end before `:` or `=`, and these are rare.
        let Some(mark) = bytes.get(at..).and_then(|rest| memchr::memchr2(b':', b'=', rest)).map(|offset| at + offset) else { break };
        at = mark + 1;
        let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
        let start = bytes[..mark].iter().rposition(|byte| !is_name(byte)).map_or(0, |before| before + 1);
        if let Some(pair) = id_pair(message, start, mark) {
            ids.take(&pair);
            at = pair.next;
        }
    }
    ids
}

impl<'m> Ids<'m> {
    fn take(&mut self, pair: &IdPair<'m>) {
        let place = if pair.of_trace { &mut self.trace } else { &mut self.span };
        *place = place.or(Some(pair.value));
    }
}

struct IdPair<'m> {
    of_trace: bool,
    value: &'m str,
    /// Where the rest of the message starts.
    next: usize,
}

/// Reads `name: value` or `name=value` where the name from `start` to `end` is that of a trace or span id.
#[inline]
fn id_pair(message: &str, start: usize, end: usize) -> Option<IdPair<'_>> {
    let bytes = message.as_bytes();
    if !matches!(bytes.get(end), Some(b':' | b'=')) || !(6..=8).contains(&(end - start)) {
        return None;
    }
    let name = bytes.get(start..end)?;
    let is_one_of = |names: [&str; 3]| names.iter().any(|known| known.as_bytes().eq_ignore_ascii_case(name));
    let of_trace = is_one_of(["traceid", "trace_id", "trace-id"]);
    if !of_trace && !is_one_of(["spanid", "span_id", "span-id"]) {
        return None;
    }
    let start = if bytes.get(end + 1) == Some(&b' ') { end + 2 } else { end + 1 };
    let rest = message.get(start..)?;
    let length = rest.find(char::is_whitespace).unwrap_or(rest.len());
    let next = start + length + usize::from(bytes.get(start + length) == Some(&b' '));
    let value = rest[..length].trim_matches(|c: char| !c.is_ascii_alphanumeric());
    (!value.is_empty()).then_some(IdPair { of_trace, value, next })
}

const SEPARATOR: u8 = 1;
/// May start a separator of several bytes.
const PERHAPS: u8 = 2;
const DIGIT: u8 = 4;
/// Not the first byte of its character.
const CONTINUES: u8 = 8;
/// First byte of any other character of several bytes.
const WIDE: u8 = 16;
const NO_ASCII: u8 = PERHAPS | CONTINUES | WIDE;
const NO_ASCII_OF_A_TOKEN: u8 = NO_ASCII | SEPARATOR;

/// What each byte is to the scanner.
static CLASSES: [u8; 256] = classes();

const fn classes() -> [u8; 256] {
    let mut classes = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        classes[byte] = match byte as u8 {
            b' '
            | b'\t'..=b'\r'
            | b'['
            | b']'
            | b'('
            | b')'
            | b'{'
            | b'}'
            | b','
            | b';'
            | b'='
            | b':'
            | b'\''
            | b'"'
            | b'<'
            | b'>'
            | b'|' => SEPARATOR,
            b'0'..=b'9' => DIGIT,
            0x80..0xC0 => CONTINUES,
            0xC2 | 0xE3 | 0xEF => PERHAPS,
            0xC0.. => WIDE,
            _ => 0,
        };
        byte += 1;
    }
    classes
}

/// Length in bytes of the separator at `at`; 0 when there is none.
#[inline]
fn separator_len(bytes: &[u8], at: usize) -> usize {
    match CLASSES[usize::from(bytes[at])] {
        SEPARATOR => 1,
        PERHAPS => wide_separator_len(&bytes[at..]),
        _ => 0,
    }
}

/// No-break space, full-width colon, ideographic space.
fn wide_separator_len(bytes: &[u8]) -> usize {
    match bytes {
        [0xC2, 0xA0, ..] => 2,
        [0xEF, 0xBC, 0x9A, ..] | [0xE3, 0x80, 0x80, ..] => 3,
        _ => 0,
    }
}

struct Token {
    end: usize,
    chars: usize,
    has_digit: bool,
}

impl Token {
    /// Copies the token that starts at `start`, cut after `max_chars`.
    #[inline]
    fn copy(bytes: &[u8], start: usize, max_chars: usize, out: &mut Scratch) -> Self {
        // ASCII first, where a byte is a character: nothing else is to be counted.
        let (mut length, mut seen) = (0, 0);
        let ascii = bytes.get(start..bytes.len().min(start + max_chars)).unwrap_or_default();
        for (byte, place) in ascii.iter().zip(out.bytes.iter_mut().skip(out.length)) {
            let class = CLASSES[usize::from(*byte)];
            if class & NO_ASCII_OF_A_TOKEN != 0 {
                break;
            }
            seen |= class;
            *place = *byte;
            length += 1;
        }
        out.length += length;
        let token = Self { end: start + length, chars: length, has_digit: seen & DIGIT != 0 };
        match bytes.get(token.end) {
            Some(byte) if CLASSES[usize::from(*byte)] & NO_ASCII != 0 && length < max_chars => token.copy_on(bytes, max_chars, out),
            _ => token,
        }
    }

    /// Copies on from where a character has several bytes.
    fn copy_on(self, bytes: &[u8], max_chars: usize, out: &mut Scratch) -> Self {
        let (mut chars, mut seen) = (self.chars, if self.has_digit { DIGIT } else { 0 });
        for (offset, byte) in bytes[self.end..].iter().enumerate() {
            let class = CLASSES[usize::from(*byte)];
            let end = self.end + offset;
            if class == SEPARATOR || class == PERHAPS && wide_separator_len(&bytes[end..]) > 0 {
                return Self { end, chars, has_digit: seen & DIGIT != 0 };
            }
            if class != CONTINUES {
                if chars == max_chars {
                    return Self { end, chars, has_digit: seen & DIGIT != 0 };
                }
                chars += 1;
            }
            seen |= class;
            out.push(*byte);
        }
        Self { end: bytes.len(), chars, has_digit: seen & DIGIT != 0 }
    }
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

/// Longest line number of a source file, digits.
const SOURCE_LINE_DIGITS: usize = 4;

/// Writes a token that holds a digit.
fn push_masked(token: &str, is_first: bool, out: &mut Scratch) {
    let bytes = token.as_bytes();
    if is_number(bytes) || is_hex(bytes) || is_short_code(bytes) || is_quantity(bytes) {
        out.push(b'*');
    } else {
        push_parts(token, is_first, out);
    }
}

/// Masks the numeric parts of a path or compound name: `/orders/8842` → `/orders/*`, `cart-4821` → `cart-*`. A code in
/// capitals that opens a message (`ORA-01555`) stays: it names the kind of the message; further back it is an id (`SKU-0137`).
/// A line of the source (`OrderService#451`) stays too: it names the statement that logged.
fn push_parts(token: &str, is_first: bool, out: &mut Scratch) {
    let is_joint = |c: char| matches!(c, '/' | '?' | '&' | '#' | '@' | '_' | '-');
    let head = token.split(is_joint).next().unwrap_or_default();
    if is_first && !head.is_empty() && head.bytes().all(|byte| byte.is_ascii_uppercase()) {
        out.push_str(token);
        return;
    }
    let mut rest = token;
    let mut is_source_line = false;
    while !rest.is_empty() {
        let end = rest.find(is_joint).unwrap_or(rest.len());
        let part = &rest.as_bytes()[..end];
        let digits = part.iter().filter(|b| b.is_ascii_digit()).count();
        let masked = digits > 0 && (digits == part.len() && (digits >= 3 || token.contains('/')) || is_hex(part));
        let masked = masked && !(is_source_line && digits <= SOURCE_LINE_DIGITS);
        is_source_line = rest[end..].starts_with('#') && end > 0;
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

/// Second letters of weekdays and months by their first, as bits: letters count from 1, in either case. Other characters may have the
/// number of a letter.
static CALENDAR_PAIRS: [u32; 32] = calendar_pairs();

const fn calendar_pairs() -> [u32; 32] {
    const PAIRS: [[u8; 2]; 17] = [
        *b"mo", *b"tu", *b"we", *b"th", *b"fr", *b"sa", *b"su", *b"ja", *b"fe", *b"ma", *b"ap", *b"ju", *b"au", *b"se", *b"oc", *b"no",
        *b"de",
    ];
    let mut bits = [0; 32];
    let mut at = 0;
    while at < PAIRS.len() {
        let [first, second] = PAIRS[at];
        bits[(first & 0x1f) as usize] |= 1 << (second & 0x1f);
        at += 1;
    }
    bits
}

/// Names of weekdays and months, short and long.
fn is_calendar_word(token: &[u8]) -> bool {
    let [a, b, c, rest @ ..] = token else { return false };
    // Nearly every word ends here, without a jump that would have to be guessed.
    if CALENDAR_PAIRS[usize::from(a & 0x1f)] & 1 << (b & 0x1f) == 0 {
        return false;
    }
    let long: &[u8] = match &[a | 0x20, b | 0x20, c | 0x20] {
        b"mon" | b"fri" | b"sun" => b"day",
        b"tue" => b"sday",
        b"wed" => b"nesday",
        b"thu" => b"rsday",
        b"sat" => b"urday",
        b"jan" => b"uary",
        b"feb" => b"ruary",
        b"mar" => b"ch",
        b"apr" => b"il",
        b"may" => b"",
        b"jun" => b"e",
        b"jul" => b"y",
        b"aug" => b"ust",
        b"sep" => b"tember",
        b"oct" => b"ober",
        b"nov" | b"dec" => b"ember",
        _ => return false,
    };
    rest.is_empty() || rest.eq_ignore_ascii_case(long)
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
            ("GET /api/v1/orders/8842 -> 200", "GET /api/v1/orders/* - *"),
            ("ORA-01555 snapshot too old", "ORA-01555 snapshot too old"),
            ("Added SKU-0137 to cart of user u-12", "Added SKU-* to cart of user u-12"),
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
        let mut out = Scratch::default();
        let ids = scan("09:12:01.100 TraceID: 5b8efff798038103d269b633813fc60c SpanID: eee19b7ec3c1b174 Query order", &mut out);
        assert_eq!(out.text(), "Query order");
        assert_eq!(ids, Ids { trace: Some("5b8efff798038103d269b633813fc60c"), span: Some("eee19b7ec3c1b174") });
        assert_eq!(template("trace_id=abc1 Query order"), "Query order");
    }

    #[test]
    fn weekdays_and_months_are_variables_in_any_case() {
        assert_eq!(template("Mon tuesday WED Thursday fri satur SUNDAY march"), "* * * * * satur * *");
        assert_eq!(template("may Sept moon"), "* Sept moon");
        for word in ["jan", "February", "MAR", "april", "May", "June", "jul", "August", "sep", "October", "nov", "December"] {
            assert_eq!(template(word), "*", "{word}");
        }
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
