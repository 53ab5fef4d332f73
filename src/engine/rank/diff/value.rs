//! Values as people write them: amounts with units, switches, versions, schedules, sizes of machines.

/// What a value measures; amounts of different units are not compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    None,
    /// Normalised to seconds.
    Time,
    /// Normalised to bytes.
    Bytes,
    Percent,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Amount(f64, Unit),
    Switch(bool),
    /// One word of letters, lower case.
    Word(String),
    /// An address, a path, a pattern, a list, a sentence.
    Text,
}

/// Units of time and size. A bare `m` is minutes; of a processor's share it means thousandths, which the key tells.
fn unit(text: &str) -> Option<(f64, Unit)> {
    Some(match text {
        "" => (1.0, Unit::None),
        "%" => (1.0, Unit::Percent),
        "ns" => (1e-9, Unit::Time),
        "us" | "µs" => (1e-6, Unit::Time),
        "ms" => (1e-3, Unit::Time),
        "s" | "sec" => (1.0, Unit::Time),
        "m" | "min" => (60.0, Unit::Time),
        "h" => (3_600.0, Unit::Time),
        "d" => (86_400.0, Unit::Time),
        "k" | "K" | "KB" | "kb" | "kB" => (1e3, Unit::Bytes),
        "M" | "MB" | "mb" => (1e6, Unit::Bytes),
        "g" | "G" | "GB" | "gb" => (1e9, Unit::Bytes),
        "T" | "TB" | "tb" => (1e12, Unit::Bytes),
        "Ki" | "KiB" => (1_024.0, Unit::Bytes),
        "Mi" | "MiB" => (1_048_576.0, Unit::Bytes),
        "Gi" | "GiB" => (1_073_741_824.0, Unit::Bytes),
        "Ti" | "TiB" => (1_099_511_627_776.0, Unit::Bytes),
        // Suffixes of programming languages: 30L, 2.5f, 10u32.
        "L" | "l" | "f" | "F" | "u" | "u8" | "u16" | "u32" | "u64" | "i32" | "i64" | "usize" | "f64" | "n" => (1.0, Unit::None),
        _ => return None,
    })
}

/// Unit written as a word beside the number: `3 * time.Second`, `Duration.ofMillis(200)`, `interval '7 days'`.
pub fn word_unit(word: &str) -> Option<f64> {
    Some(match word.to_ascii_lowercase().trim_start_matches("of").trim_start_matches("from_").trim_end_matches('s') {
        "nanosecond" | "nano" => 1e-9,
        "microsecond" | "micro" => 1e-6,
        "millisecond" | "milli" => 1e-3,
        "second" | "sec" => 1.0,
        "minute" | "min" => 60.0,
        "hour" => 3_600.0,
        "day" => 86_400.0,
        _ => return None,
    })
}

/// A number with its unit: `512Mi`, `30_000`, `5m`, `60%`.
pub fn amount(text: &str) -> Option<(f64, Unit)> {
    let text = text.trim();
    let end = text.find(|letter: char| !letter.is_ascii_digit() && !matches!(letter, '.' | '_')).unwrap_or(text.len());
    let (digits, suffix) = match text.strip_prefix('-') {
        Some(rest) => text.split_at(1 + rest.find(|letter: char| !letter.is_ascii_digit() && letter != '.').unwrap_or(rest.len())),
        None => text.split_at(end),
    };
    digits.trim_start_matches('-').starts_with(|letter: char| letter.is_ascii_digit()).then_some(())?;
    let (factor, unit) = unit(suffix.trim())?;
    digits.replace('_', "").parse::<f64>().ok().filter(|value| value.is_finite()).map(|value| (value * factor, unit))
}

pub fn unquoted(text: &str) -> &str {
    let text = text.trim().trim_end_matches([',', ';']).trim();
    for quote in ['"', '\'', '`'] {
        if let Some(inner) = text.strip_prefix(quote).and_then(|text| text.strip_suffix(quote)) {
            return inner.trim();
        }
    }
    text
}

pub fn value_of(text: &str) -> Value {
    let text = unquoted(text);
    if let Some((value, unit)) = amount(text) {
        return Value::Amount(value, unit);
    }
    if let Some((digits, word)) = text.split_once(' ')
        && let (Some((value, Unit::None)), Some(factor)) = (amount(digits), word_unit(word))
    {
        return Value::Amount(value * factor, Unit::Time);
    }
    match text.to_ascii_lowercase().as_str() {
        "true" | "on" | "yes" | "enabled" | "enable" => Value::Switch(true),
        "false" | "off" | "no" | "disabled" | "disable" => Value::Switch(false),
        word if !word.is_empty() && word.chars().all(|letter| letter.is_ascii_alphabetic() || matches!(letter, '_' | '-')) => {
            Value::Word(word.to_owned())
        }
        _ => Value::Text,
    }
}

/// Major, minor and patch of the first version in a text, and what stands around it: `redis:6.2.14-alpine` → (6, 2, 14),
/// `redis:§-alpine`.
pub fn version(text: &str) -> Option<([u64; 3], String)> {
    let bytes = text.as_bytes();
    let mut start = 0;
    while start < bytes.len() {
        let opens = bytes[start].is_ascii_digit()
            && (start == 0 || !bytes[start - 1].is_ascii_alphanumeric() && bytes[start - 1] != b'.' || {
                // `v1.2.3`, but not `arm64.1`.
                matches!(bytes[start - 1], b'v' | b'V') && (start < 2 || !bytes[start - 2].is_ascii_alphanumeric())
            });
        if !opens {
            start += 1;
            continue;
        }
        let length = bytes[start..].iter().take_while(|byte| byte.is_ascii_digit() || **byte == b'.').count();
        let numbers: Vec<u64> =
            text[start..start + length].trim_end_matches('.').split('.').map_while(|number| number.parse().ok()).collect();
        // `:17` after a name is a version of one part; a port's or an address's number is none.
        if !numbers.is_empty() && numbers.len() <= 3 && numbers[0] < 10_000 {
            let part = |index: usize| numbers.get(index).copied().unwrap_or(0);
            let around = format!("{}§{}", text[..start].trim_end_matches(['v', 'V']), &text[start + length..]);
            return Some(([part(0), part(1), part(2)], around));
        }
        start += length.max(1);
    }
    None
}

/// A new major version may break, a minor one less, a patch hardly; before 1.0 a minor one is a major one (semver.org, clause 4).
pub fn version_power(before: [u64; 3], after: [u64; 3]) -> f64 {
    match () {
        () if before == after => 0.0,
        () if before[0] != after[0] => 0.6,
        () if before[1] != after[1] && before[0] == 0 => 0.35,
        () if before[1] != after[1] => 0.2,
        () => 0.1,
    }
}

/// Runs a day of a five-field cron line, counted roughly; `None` for anything else.
pub fn runs_a_day(text: &str) -> Option<f64> {
    let fields: Vec<&str> = unquoted(text).split_whitespace().collect();
    let is_field = |field: &&str| field.chars().all(|letter| letter.is_ascii_digit() || "*/,-?LW#".contains(letter));
    if fields.len() != 5 || !fields.iter().all(is_field) {
        return None;
    }
    let times = |field: &str, of: f64| match field.split_once('/') {
        Some((_, step)) => step.parse::<f64>().ok().filter(|step| *step >= 1.0).map_or(1.0, |step| of / step),
        None if field == "*" || field == "?" => of,
        None => field.split(',').count() as f64,
    };
    let days = if fields[2] == "*" && fields[4] == "*" { 1.0 } else { (times(fields[2], 30.0) / 30.0).min(times(fields[4], 7.0) / 7.0) };
    Some(times(fields[0], 60.0) * times(fields[1], 24.0) * days)
}

/// Size of a rented machine in its name: `db.r6g.2xlarge` → 7; each step doubles it.
pub fn machine_size(text: &str) -> Option<f64> {
    let last = unquoted(text).rsplit(['.', '-', '_']).next()?.to_ascii_lowercase();
    Some(match last.as_str() {
        "nano" => 0.0,
        "micro" => 1.0,
        "small" => 2.0,
        "medium" => 3.0,
        "large" => 4.0,
        "xlarge" => 5.0,
        other => 5.0 + other.strip_suffix("xlarge")?.parse::<f64>().ok().filter(|times| *times >= 1.0)?.log2(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_with_their_units() {
        assert_eq!(amount("30_000"), Some((30_000.0, Unit::None)));
        assert_eq!(amount("1m"), amount("60s"));
        assert_eq!(amount("10mb"), Some((1e7, Unit::Bytes)));
        assert_eq!(amount("-1"), Some((-1.0, Unit::None)));
        assert_eq!(amount("abc"), None);
        assert_eq!(value_of("'7 days'"), Value::Amount(604_800.0, Unit::Time));
    }

    #[test]
    fn versions_schedules_and_machines_are_compared() {
        assert_eq!(version("redis:6.2.14-alpine"), Some(([6, 2, 14], "redis:§-alpine".to_owned())));
        assert_eq!(version("\"^4.18.2\""), Some(([4, 18, 2], "\"^§\"".to_owned())));
        assert_eq!(version_power([0, 6, 20], [0, 7, 2]), 0.35);
        assert_eq!(runs_a_day("0 3 * * *"), Some(1.0));
        assert_eq!(runs_a_day("* * * * *"), Some(1_440.0));
        assert_eq!(runs_a_day("*/5 * * * *"), Some(288.0));
        assert!(machine_size("db.r6g.2xlarge") > machine_size("db.t3.medium"));
    }
}
