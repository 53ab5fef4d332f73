//! Level names and numbers → the five severities.

use crate::model::Severity;

/// Words that make a warning as bad as an error.
const RAISING: [&str; 14] = [
    "deadlock",
    "timeout",
    "timed out",
    "time out",
    "out of memory",
    "outofmemory",
    "oomkilled",
    "disk full",
    "no space left",
    "too many connections",
    "too many open files",
    "pool exhausted",
    "connection refused",
    "deadline exceeded",
];

/// Severity of a level's name, in any case: `WARN`, `err`, `E`, `panic`.
pub(super) fn of_name(name: &str) -> Option<Severity> {
    let name = name.trim();
    let mut lower = [0_u8; 12];
    let lower = lower.get_mut(..name.len())?;
    lower.copy_from_slice(name.as_bytes());
    lower.make_ascii_lowercase();
    let severity = match &*lower {
        b"info" | b"i" | b"information" | b"debug" | b"d" | b"dbug" | b"trace" | b"t" | b"trce" | b"verbose" | b"v" | b"fine"
        | b"finer" | b"finest" | b"config" | b"default" | b"ok" | b"log" | b"all" | b"success" => Severity::Info,
        b"notice" | b"n" => Severity::Low,
        b"warn" | b"warning" | b"w" | b"wrn" => Severity::Medium,
        b"error" | b"err" | b"e" | b"eror" | b"severe" | b"fail" | b"failure" | b"failed" => Severity::High,
        b"fatal" | b"f" | b"crit" | b"critical" | b"c" | b"emerg" | b"emergency" | b"alert" | b"panic" | b"dpanic" => Severity::Critical,
        _ => return None,
    };
    Some(severity)
}

/// Severity of a numeric level: 0 to 7 as syslog counts (0 worst), 10 to 60 as Bunyan and Pino do.
pub(super) fn of_number(level: i64) -> Option<Severity> {
    match level {
        0..=2 => Some(Severity::Critical),
        3 => Some(Severity::High),
        4 => Some(Severity::Medium),
        5 => Some(Severity::Low),
        6 | 7 => Some(Severity::Info),
        8..40 => Some(Severity::Info),
        40..50 => Some(Severity::Medium),
        50..60 => Some(Severity::High),
        60..=100 => Some(Severity::Critical),
        _ => None,
    }
}

/// Severity of an OpenTelemetry severity number, 1 to 24.
pub(super) fn of_otlp_number(number: i64) -> Option<Severity> {
    match number {
        1..=12 => Some(Severity::Info),
        13..=16 => Some(Severity::Medium),
        17..=20 => Some(Severity::High),
        21..=24 => Some(Severity::Critical),
        _ => None,
    }
}

/// Severity that the head of a message names where its record names none: a level in capitals among the first words,
/// `level=error`, or a glog prefix (`E1123 14:02:10`).
pub(super) fn of_message(message: &str) -> Option<Severity> {
    let head = crate::model::event::truncate(message, 80);
    if let Some(severity) = of_glog_prefix(head.as_bytes()) {
        return Some(severity);
    }
    let words = head.split(|c: char| !(c.is_alphanumeric() || c == '=' || c == '_')).filter(|word| !word.is_empty());
    for word in words.take(12) {
        if let Some(name) = word.strip_prefix("level=").or_else(|| word.strip_prefix("lvl=")) {
            return of_name(name);
        }
        if word.len() >= 3
            && word.bytes().all(|b| b.is_ascii_uppercase())
            && !matches!(word, "ALL" | "LOG" | "OK" | "DEFAULT" | "FAILED" | "SUCCESS")
            && let Some(severity) = of_name(word)
        {
            return Some(severity);
        }
    }
    None
}

/// A warning that speaks of a deadlock, a timeout, exhausted memory and the like counts as an error.
pub(super) fn raised(severity: Severity, message: &str) -> Severity {
    if severity != Severity::Medium {
        return severity;
    }
    let lower = crate::model::event::truncate(message, 2_000).to_lowercase();
    if RAISING.iter().any(|words| lower.contains(words)) { Severity::High } else { severity }
}

fn of_glog_prefix(head: &[u8]) -> Option<Severity> {
    let digits = head.get(1..5)?;
    if !digits.iter().all(u8::is_ascii_digit) || head.get(5) != Some(&b' ') {
        return None;
    }
    match head[0] {
        b'I' => Some(Severity::Info),
        b'W' => Some(Severity::Medium),
        b'E' => Some(Severity::High),
        b'F' => Some(Severity::Critical),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_any_case_map_to_severities() {
        for (name, severity) in
            [("WARN", Severity::Medium), ("Error", Severity::High), ("f", Severity::Critical), ("DEBUG", Severity::Info)]
        {
            assert_eq!(of_name(name), Some(severity), "{name}");
        }
        assert_eq!(of_name("hello"), None);
        assert_eq!(of_name("a very long level name"), None);
    }

    #[test]
    fn a_warning_of_a_deadlock_is_as_bad_as_an_error() {
        assert_eq!(raised(Severity::Medium, "Deadlock found when trying to get lock"), Severity::High);
        assert_eq!(raised(Severity::Medium, "cache is cold"), Severity::Medium);
        assert_eq!(raised(Severity::Info, "timeout set to 5 s"), Severity::Info);
    }

    #[test]
    fn a_line_without_a_level_is_judged_by_its_head() {
        assert_eq!(of_message("2026-11-23 14:02:10 ERROR 1 --- [main] o.s.Boot: failed"), Some(Severity::High));
        assert_eq!(of_message("ts=1 level=warn msg=\"slow\""), Some(Severity::Medium));
        assert_eq!(of_message("E1123 14:02:10.1 server.go:12] no route"), Some(Severity::High));
        assert_eq!(of_message("an error occurred"), None);
    }
}
