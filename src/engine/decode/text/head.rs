//! What the head of a line says, as loggers, servers and databases write it.

use super::access;
use crate::engine::decode::{dates, level, syslog};
use crate::model::{Severity, Timestamp};

/// Words of a line among which a level is looked for.
const LEVEL_WORDS: usize = 8;

/// What stands before a message, and the message.
#[derive(Debug, Default)]
pub(super) struct Head<'t> {
    pub(super) time: Option<Timestamp>,
    pub(super) severity: Option<Severity>,
    pub(super) host: Option<&'t str>,
    pub(super) program: Option<&'t str>,
    pub(super) status: Option<i64>,
    pub(super) said: &'t str,
}

/// Reads the head of an item. `kafka_time` gives the year to dates that have none.
pub(super) fn read(item: &str, kafka_time: Option<Timestamp>) -> Head<'_> {
    let item = item.trim_start();
    let first_line = item.split('\n').next().unwrap_or(item);
    if let Some(request) = access::read(first_line) {
        let said = request.said;
        let severity = Some(access::severity(request.status));
        return Head { time: Some(request.at), severity, status: Some(i64::from(request.status)), said, ..Head::default() };
    }
    let head = match item.as_bytes().first() {
        Some(b'I' | b'W' | b'E' | b'F') => klog(item, kafka_time),
        Some(b'[') => bracketed(item),
        Some(b'0'..=b'9') => dated(item),
        _ => None,
    };
    head.or_else(|| file_of_syslog(item, kafka_time)).unwrap_or_else(|| Head { severity: named_level(item), said: item, ..Head::default() })
}

/// True of a text whose first line tells when it was written.
pub(super) fn begins_with_time(text: &str, kafka_time: Option<Timestamp>) -> bool {
    // A time without a year is found by its shape, so that the split is the same whatever the record's time.
    let kafka_time = kafka_time.or(Some(Timestamp::from_seconds(1_700_000_000)));
    !text.starts_with(char::is_whitespace) && read(text.split('\n').next().unwrap_or(text), kafka_time).time.is_some()
}

/// `E0102 03:04:05.678901    17 file.go:12] message`.
fn klog(item: &str, kafka_time: Option<Timestamp>) -> Option<Head<'_>> {
    let severity = level::of_name(item.get(..1)?);
    let (time, end) = dates::klog(item.get(1..)?, kafka_time)?;
    let rest = item.get(end + 1..)?.trim_start();
    let thread = rest.bytes().take_while(u8::is_ascii_digit).count();
    let said = rest.get(thread..).filter(|rest| rest.starts_with(' ')).unwrap_or(rest);
    Some(Head { time, severity, said, ..Head::default() })
}

/// `[2026-01-02T03:04:05Z] WARN message`, Apache's `[Mon Nov 23 14:02:10.123456 2026] [proxy:error] [pid 1:tid 2] message`.
fn bracketed(item: &str) -> Option<Head<'_>> {
    let inside = item.get(1..)?;
    if let Some((time, end)) = dates::iso(inside).or_else(|| dates::access(inside)) {
        // Rust's env_logger closes its bracket after level and module.
        let said = inside.get(end..)?.trim_start();
        let said = said.strip_prefix(']').unwrap_or(said);
        return Some(Head { time: Some(time), severity: named_level(said), said, ..Head::default() });
    }
    let (time, end) = dates::ctime(inside)?;
    let rest = inside.get(end..)?.strip_prefix(']')?.trim_start();
    let (module, said) = rest.strip_prefix('[')?.split_once(']')?;
    let severity = level::of_name(module.rsplit(':').next().unwrap_or(module));
    // The process and the client change from line to line.
    let mut said = said.trim_start();
    while let Some((_, after)) = said.strip_prefix("[pid ").or_else(|| said.strip_prefix("[client ")).and_then(|rest| rest.split_once(']'))
    {
        said = after.trim_start();
    }
    Some(Head { time: Some(time), severity, said, ..Head::default() })
}

/// `2026-01-02 03:04:05,678 ERROR message`, nginx's `2026/01/02 03:04:05 [error] 31#31: *1 message`, PostgreSQL's
/// `2026-01-02 03:04:05.678 UTC [17] ERROR:  message`.
fn dated(item: &str) -> Option<Head<'_>> {
    let (time, end) = dates::iso(item)?;
    let said = item.get(end..)?.trim_start_matches([' ', '\t', '|', ';', ',']);
    let severity = named_level(said);
    Some(Head { time: Some(time), severity, said: after_process(said).unwrap_or(said), ..Head::default() })
}

/// nginx names a process and a connection, PostgreSQL a process: what follows them; the level stays.
fn after_process(said: &str) -> Option<&str> {
    let (inside, rest) = said.strip_prefix('[')?.split_once(']')?;
    let rest = rest.trim_start();
    if inside.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(rest);
    }
    level::of_name(inside)?;
    let (process, rest) = rest.split_once(": ")?;
    process.bytes().all(|byte| byte.is_ascii_digit() || byte == b'#').then_some(())?;
    let connection = rest.strip_prefix('*').and_then(|rest| rest.split_once(' '));
    Some(match connection {
        Some((number, said)) if number.bytes().all(|byte| byte.is_ascii_digit()) => said,
        _ => rest,
    })
}

/// `Nov 23 14:02:10 host program[17]: message`, as syslog daemons write their files.
fn file_of_syslog(item: &str, kafka_time: Option<Timestamp>) -> Option<Head<'_>> {
    let (time, end) = dates::bsd(item, kafka_time)?;
    let (host, program, said) = syslog::sender(item.get(end..)?.trim_start());
    Some(Head { time: Some(time), severity: named_level(said), host, program, said, ..Head::default() })
}

/// A level among the first words that is set off as one: `[error]`, `WARN:`, `|ERROR|`, `<warning>`, `fail:`.
pub(super) fn named_level(said: &str) -> Option<Severity> {
    let first_line = said.split('\n').next().unwrap_or(said);
    first_line.split([' ', '\t']).filter(|word| !word.is_empty()).take(LEVEL_WORDS).find_map(|word| {
        let inner = word.trim_matches(['[', ']', '(', ')', '<', '>', '|', ':']);
        let is_set_off = inner.len() < word.len() && (word.ends_with([']', ')', '>', '|', ':']));
        let is_level = match inner.len() {
            0 => false,
            1 => matches!(inner, "E" | "W" | "I" | "D" | "F" | "N") && !word.ends_with(':'),
            _ => !matches!(inner.to_ascii_lowercase().as_str(), "all" | "ok" | "default" | "config" | "failed" | "success"),
        };
        (is_set_off && is_level).then(|| level::of_name(inner)).flatten()
    })
}
