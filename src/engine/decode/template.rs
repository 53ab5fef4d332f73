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

    /// Writes a part of a text. Short parts are copied with what stands behind them, in one piece of a fixed size.
    #[inline]
    fn extend(&mut self, text: &[u8], start: usize, end: usize) {
        const PIECE: usize = 16;
        let length = end - start;
        let short = if length <= PIECE { text.get(start..start + PIECE) } else { None };
        if let (Some(piece), Some(place)) = (short, self.bytes.get_mut(self.length..self.length + PIECE)) {
            place.copy_from_slice(piece);
        } else if let (Some(part), Some(place)) = (text.get(start..end), self.bytes.get_mut(self.length..self.length + length)) {
            place.copy_from_slice(part);
        } else {
            return;
        }
        self.length += length;
    }

    fn push_str(&mut self, text: &str) {
        text.bytes().for_each(|byte| self.push(byte));
    }
}

/// Writes the template of `message` into `out`, replacing what was there.
pub(super) fn scan<'m>(message: &'m str, out: &mut Scratch) -> Ids<'m> {
    out.length = 0;
    let at = skip_clock(message.as_bytes());
    let mut scan = Scan { message, at, chars_left: MAX_CHARS, tokens: 0, ids: Ids::default() };
    scan.ascii(out);
    scan.any(out);
    scan.ids
}

/// How far a message has been read.
struct Scan<'m> {
    message: &'m str,
    at: usize,
    chars_left: usize,
    tokens: usize,
    ids: Ids<'m>,
}

impl Scan<'_> {
    /// Reads on token by token, whatever the message is written in.
    fn any(&mut self, out: &mut Scratch) {
        let bytes = self.message.as_bytes();
        while self.at < bytes.len() && self.tokens < MAX_TOKENS && self.chars_left > 0 {
            let separator = separator_len(bytes, self.at);
            if separator > 0 {
                self.at += separator;
                self.chars_left -= 1;
                continue;
            }
            let token = Token::at(bytes, self.at, self.chars_left);
            if let Some(pair) = id_pair(self.message, self.at, token.end) {
                self.ids.take(&pair);
                self.at = pair.next;
                continue;
            }
            self.push(token.end, token.has_digit, out);
            self.chars_left -= token.chars;
        }
    }

    /// Reads on to the end of what is looked at, if that is ASCII, or to the first id: there bytes are characters, and all are classed
    /// at once. What comes is what [`Scan::any`] would make of it.
    fn ascii(&mut self, out: &mut Scratch) {
        let bytes = self.message.as_bytes();
        let start = self.at;
        let Some(head) = bytes.get(start..bytes.len().min(start + self.chars_left)).filter(|head| head.is_ascii()) else { return };
        let marks = Marks::of(head);
        while self.tokens < MAX_TOKENS {
            let from = marks.word_from(self.at - start);
            (self.at, self.chars_left) = (start + from.min(head.len()), MAX_CHARS - from.min(head.len()));
            if from >= head.len() {
                return;
            }
            let end = marks.separator_from(from).min(head.len());
            let may_name_an_id = matches!(bytes.get(start + end), Some(b':' | b'='));
            if may_name_an_id && id_pair(self.message, self.at, start + end).is_some() {
                return;
            }
            self.push(start + end, marks.has_digit(from, end), out);
            self.chars_left = MAX_CHARS - end;
        }
    }

    /// Writes the token that ends at `end`, its variables masked.
    #[inline]
    fn push(&mut self, end: usize, has_digit: bool, out: &mut Scratch) {
        if self.tokens > 0 {
            out.push(b' ');
        }
        let bytes = self.message.as_bytes();
        if has_digit {
            push_masked(self.message.get(self.at..end).unwrap_or_default(), self.tokens == 0, out);
        } else if is_calendar_word(&bytes[self.at..end]) {
            out.push(b'*');
        } else {
            out.extend(bytes, self.at, end);
        }
        self.tokens += 1;
        self.at = end;
    }
}

/// Bytes classed at a time.
const BLOCK: usize = 64;
const BLOCKS: usize = MAX_CHARS.div_ceil(BLOCK);

/// Separators and digits among the first characters of an ASCII text, a bit for each byte.
struct Marks {
    separators: [u64; BLOCKS],
    digits: [u64; BLOCKS],
}

impl Marks {
    fn of(text: &[u8]) -> Self {
        let mut marks = Self { separators: [0; BLOCKS], digits: [0; BLOCKS] };
        for ((block, separators), digits) in text.chunks(BLOCK).zip(&mut marks.separators).zip(&mut marks.digits) {
            let mut bytes = [0; BLOCK];
            bytes[..block.len()].copy_from_slice(block);
            *separators = bits(bytes.map(|byte| u8::from(is_separator(byte))));
            *digits = bits(bytes.map(|byte| u8::from(byte.is_ascii_digit())));
        }
        marks
    }

    /// Index of the first separator from `from` on.
    fn separator_from(&self, from: usize) -> usize {
        first_bit(self.separators, from)
    }

    /// Index of the first byte from `from` on that is no separator.
    fn word_from(&self, from: usize) -> usize {
        first_bit(self.separators.map(|block| !block), from)
    }

    fn has_digit(&self, from: usize, end: usize) -> bool {
        first_bit(self.digits, from) < end
    }
}

/// Index of the first bit that is set, from `from` on; [`MAX_CHARS`] or more without one.
#[inline]
fn first_bit(blocks: [u64; BLOCKS], from: usize) -> usize {
    let mut mask = u64::MAX << (from % BLOCK);
    for (at, block) in blocks.iter().enumerate().skip(from / BLOCK) {
        if block & mask != 0 {
            return at * BLOCK + (block & mask).trailing_zeros() as usize;
        }
        mask = u64::MAX;
    }
    BLOCKS * BLOCK
}

/// One bit for each byte, which is 0 or 1. A product gathers the lowest bits of eight bytes in its highest byte.
#[inline]
fn bits(bytes: [u8; BLOCK]) -> u64 {
    let gather = |word: &[u8]| word.first_chunk().map_or(0, |word| u64::from_le_bytes(*word)).wrapping_mul(0x0102_0408_1020_4080) >> 56;
    bytes.chunks_exact(8).enumerate().map(|(at, word)| gather(word) << (8 * at)).sum()
}

/// True of an ASCII character between tokens. Ranges and no table, for the compiler to compare many bytes at once.
#[inline]
const fn is_separator(byte: u8) -> bool {
    matches!(byte, b'\t'..=b'\r' | b' ' | b'"' | b'\''..=b')' | b',' | b':'..=b'>' | b'[' | b']' | b'{'..=b'}')
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

/// What each byte is to the scanner.
static CLASSES: [u8; 256] = classes();

const fn classes() -> [u8; 256] {
    let mut classes = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        classes[byte] = match byte as u8 {
            separator if is_separator(separator) => SEPARATOR,
            b'0'..=b'9' => DIGIT,
            0x80..0xC0 => CONTINUES,
            0xC2 | 0xE3 | 0xEF => PERHAPS,
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
    /// The token that starts at `start`, cut after `max_chars`.
    fn at(bytes: &[u8], start: usize, max_chars: usize) -> Self {
        let (mut chars, mut seen) = (0, 0);
        for (offset, byte) in bytes[start..].iter().enumerate() {
            let class = CLASSES[usize::from(*byte)];
            let end = start + offset;
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

/// Names of weekdays and months, short and long.
fn is_calendar_word(token: &[u8]) -> bool {
    let [a, b, c, rest @ ..] = token else { return false };
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
    use proptest::prelude::*;

    use super::*;
    use crate::engine::decode::tests::seeded;

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
    }

    #[test]
    fn ids_far_back_in_the_message_are_found() {
        let message = format!("{} done, trace_id=[5b8efff798038103d269b633813fc60c] span_id=\"eee19b7ec3c1b174\"", "word ".repeat(50));
        let ids = find_ids(&message);
        assert_eq!(ids, Ids { trace: Some("5b8efff798038103d269b633813fc60c"), span: Some("eee19b7ec3c1b174") });
        assert_eq!(find_ids("a=1 b:2 traceid:"), Ids::default());
    }

    #[test]
    fn a_template_is_the_same_in_ascii_and_by_characters() {
        let by_characters = |message: &str| {
            let mut out = Scratch::default();
            let at = skip_clock(message.as_bytes());
            let mut scan = Scan { message, at, chars_left: MAX_CHARS, tokens: 0, ids: Ids::default() };
            scan.any(&mut out);
            (out.text().to_owned(), format!("{:?}", scan.ids))
        };
        let at_once = |message: &str| {
            let mut out = Scratch::default();
            let ids = scan(message, &mut out);
            (out.text().to_owned(), format!("{ids:?}"))
        };
        let word = prop_oneof![
            Just("trace_id=5b8efff798038103 "),
            Just("SpanID: \"eee19b7ec3c1b174\" "),
            Just("traceid:"),
            Just("Monday "),
            Just("order-4821 "),
            Just("a_word_of_more_than_sixteen_letters "),
            Just("12:01:33 "),
            Just(" - "),
            Just("ü"),
            Just("\u{a0}"),
        ];
        let words = prop::collection::vec(prop_oneof![word.prop_map(str::to_owned), "[ -~]{0,40}", "[\\x00-\\x7f]{0,6}"], 0..12);
        proptest!(seeded(400), |(words in words)| {
            let message = words.concat();
            prop_assert_eq!(at_once(&message), by_characters(&message), "{:?}", message);
        });
        let long = "x".repeat(400);
        assert_eq!(at_once(&long), by_characters(&long));
    }

    #[test]
    fn a_long_message_counts_only_its_first_characters() {
        let message = "é".repeat(1_000);
        assert_eq!(template(&message).chars().count(), MAX_CHARS);
    }
}
