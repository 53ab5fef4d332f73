//! Changed literals: pairs of removed and added lines with the same words and other values, by how far and which way.

use std::collections::BTreeSet;

use super::diff::{DiffPower, squeeze};
use super::evidence::words;

/// Lowering one of these takes something away.
const LIMITS: &str = "timeout deadline ttl max limit pool conns connections size capacity quota memory cpu replicas buffer budget heap expiry instances per second requests";
/// Raising one of these asks for more.
const LOADS: &str = "rate sample level retries retry attempts concurrency workers parallelism batch burst fanout frequency verbosity debug records poll prefetch";
/// Lowering one of these makes something happen more often.
const PAUSES: &str = "interval period backoff delay sleep cooldown";

#[derive(Clone, Debug, PartialEq)]
enum Value {
    /// Normalised to seconds or bytes where a unit says so.
    Number(f64),
    Word(String),
}

#[derive(Clone, Debug, PartialEq)]
struct Literal {
    value: Value,
    raw: String,
}

fn stems(list: &str) -> BTreeSet<String> {
    list.split_whitespace().flat_map(words).collect()
}

fn unit_factor(unit: &str) -> Option<f64> {
    Some(match unit {
        "ns" => 1e-9,
        "us" => 1e-6,
        "ms" => 1e-3,
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3_600.0,
        "d" => 86_400.0,
        "K" | "Ki" | "KB" | "KiB" | "k" => 1e3,
        "M" | "Mi" | "MB" | "MiB" => 1e6,
        "G" | "Gi" | "GB" | "GiB" => 1e9,
        "T" | "Ti" | "TB" | "TiB" => 1e12,
        "" | "%" => 1.0,
        _ => return None,
    })
}

/// Factor of a unit written as a word beside the number: `3 * time.Second`, `Duration.ofMillis(200)`.
fn word_unit(word: &str) -> Option<f64> {
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

/// A line cut into words and single signs; numbers keep their point and unit.
fn pieces(line: &str) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut start = 0;
    let is_word = |letter: char| letter.is_alphanumeric() || letter == '_' || letter == '%';
    let mut previous = ' ';
    let mut in_number = false;
    for (index, letter) in line.char_indices() {
        let joins = if in_number { is_word(letter) || letter == '.' } else { is_word(letter) && is_word(previous) };
        if !joins {
            if start < index {
                pieces.push(&line[start..index]);
            }
            start = index;
            in_number = letter.is_ascii_digit();
        }
        previous = letter;
    }
    pieces.push(&line[start..]);
    pieces.retain(|piece| !piece.trim().is_empty());
    pieces
}

fn number(piece: &str) -> Option<f64> {
    let digits = piece.trim_end_matches(|letter: char| !letter.is_ascii_digit());
    let factor = unit_factor(&piece[digits.len()..])?;
    digits.starts_with(|letter: char| letter.is_ascii_digit()).then_some(())?;
    digits.parse::<f64>().ok().map(|value| value * factor)
}

/// The line with its literals replaced by `#`, and the literals.
fn skeleton(line: &str) -> (String, Vec<Literal>) {
    let pieces = pieces(line);
    let mut literals = Vec::new();
    let mut words = Vec::new();
    let factor = pieces.iter().find_map(|piece| word_unit(piece)).unwrap_or(1.0);
    for piece in &pieces {
        match number(piece) {
            Some(value) => {
                literals.push(Literal { value: Value::Number(value * factor), raw: (*piece).to_owned() });
                words.push("#");
            }
            None if word_unit(piece).is_some() || *piece == "*" => {}
            None => words.push(piece),
        }
    }
    if literals.is_empty() {
        return word_skeleton(line).unwrap_or((words.join(" "), literals));
    }
    (words.join(" "), literals)
}

/// `key: word`, `Key = true`: the value is the literal.
fn word_skeleton(line: &str) -> Option<(String, Vec<Literal>)> {
    let (key, value) = line.split_once([':', '='])?;
    let value = value.trim_start_matches('=').trim().trim_end_matches([',', ';']).trim_matches(['"', '\'', '`']);
    let key = key.trim().trim_end_matches(':');
    let plain = !value.is_empty() && value.chars().all(|letter| letter.is_ascii_alphabetic() || letter == '_' || letter == '-');
    let is_key = !key.is_empty() && key.split_whitespace().count() <= 3;
    (plain && is_key).then(|| (format!("{key} #"), vec![Literal { value: Value::Word(value.to_lowercase()), raw: value.to_owned() }]))
}

/// Key of a line, for a person: `pool.max_connections`.
fn key_of(line: &str) -> String {
    let line = line.trim().trim_start_matches("- ");
    let key = line.split([':', '=', '(', ',']).next().unwrap_or_default().trim().trim_matches(['"', '\'']);
    key.split_whitespace().last().unwrap_or(key).chars().take(60).collect()
}

/// Which way it went, as a weight: what takes away or asks for more weighs 1, the other way .3, unknown .7.
fn direction(keys: &BTreeSet<String>, up: bool) -> f64 {
    let of = |list: &str| !stems(list).is_disjoint(keys);
    match () {
        () if of(LOADS) => {
            if up {
                1.0
            } else {
                0.3
            }
        }
        () if of(PAUSES) || of(LIMITS) => {
            if up {
                0.3
            } else {
                1.0
            }
        }
        () => 0.7,
    }
}

fn power_of(before: &Literal, after: &Literal, keys: &BTreeSet<String>) -> f64 {
    match (&before.value, &after.value) {
        (Value::Number(before), Value::Number(after)) if before != after => {
            let magnitude = if *before <= 0.0 || *after <= 0.0 { 1.0 } else { (after / before).log10().abs().min(1.0) };
            magnitude * direction(keys, after > before)
        }
        (Value::Word(before), Value::Word(after)) if before != after => {
            if matches!(after.as_str(), "debug" | "trace" | "verbose" | "all") {
                1.0
            } else if matches!(before.as_str(), "debug" | "trace") {
                0.24
            } else {
                0.8
            }
        }
        _ => 0.0,
    }
}

/// The strongest changed literal.
pub fn literal_power(minus: &[&str], plus: &[&str]) -> DiffPower {
    let mut best = DiffPower::default();
    let mut used = BTreeSet::new();
    for before in minus {
        let Some((index, likeness)) = partner(before, plus, &used) else { continue };
        let after = plus[index];
        used.insert(index);
        if likeness < 0.5 {
            continue;
        }
        let keys: BTreeSet<String> = words(before).into_iter().chain(words(after)).collect();
        for (old, new) in skeleton(before).1.iter().zip(&skeleton(after).1) {
            let power = power_of(old, new, &keys);
            if power > best.power {
                best = describe(before, old, new, power);
            }
        }
    }
    let text = if best.power < 0.6 { changed_text(minus, plus) } else { None };
    text.unwrap_or(best)
}

/// The added line most like a removed one, with as many literals.
fn partner(before: &str, plus: &[&str], used: &BTreeSet<usize>) -> Option<(usize, f64)> {
    let (shape, literals) = skeleton(before);
    if literals.is_empty() {
        return None;
    }
    let mine: BTreeSet<String> = words(&shape).into_iter().collect();
    let mut best: Option<(usize, f64)> = None;
    for (index, after) in plus.iter().enumerate().filter(|(index, _)| !used.contains(index)) {
        let (other, others) = skeleton(after);
        if others.len() != literals.len() {
            continue;
        }
        let theirs: BTreeSet<String> = words(&other).into_iter().collect();
        let union = mine.union(&theirs).count().max(1);
        let likeness = if squeeze(&shape) == squeeze(&other) { 1.01 } else { mine.intersection(&theirs).count() as f64 / union as f64 };
        if best.is_none_or(|(_, best)| likeness > best) {
            best = Some((index, likeness));
        }
    }
    best
}

fn describe(line: &str, old: &Literal, new: &Literal, power: f64) -> DiffPower {
    let key = key_of(line);
    let verb = match (&old.value, &new.value) {
        (Value::Number(old), Value::Number(new)) if new < old => "lowered",
        (Value::Number(_), Value::Number(_)) => "raised",
        _ => "changed",
    };
    DiffPower {
        power,
        reason: format!("it {verb} {key} from {} to {}", old.raw, new.raw),
        hint: Some(format!("{key}: {} → {}", old.raw, new.raw)),
        literals: vec![new.raw.trim_end_matches(|letter: char| letter.is_alphabetic()).to_owned()],
    }
}

/// A changed address, key, tag or pattern: .6. Messages do not count.
fn changed_text(minus: &[&str], plus: &[&str]) -> Option<DiffPower> {
    const MESSAGES: [&str; 10] = ["error", "err(", "log", "msg", "message", "print", "desc", "title", "label", "comment"];
    for before in minus.iter().filter(|line| !is_comment(line)) {
        let lower = before.to_lowercase();
        if MESSAGES.iter().any(|word| lower.contains(word)) {
            continue;
        }
        let Some((shape, text)) = quoted(before) else { continue };
        for after in plus {
            let differs = |other: &str, new: &str| squeeze(other) == squeeze(&shape) && new != text && !new.is_empty();
            if let Some((other, new)) = quoted(after).filter(|(other, new)| differs(other, new) && number(new).is_none()) {
                let key = key_of(&other);
                let cut = |text: &str| text.chars().take(60).collect::<String>();
                return Some(DiffPower {
                    power: 0.6,
                    reason: format!("it changed {key} from {} to {}", cut(&text), cut(&new)),
                    hint: Some(format!("{key}: {} → {}", cut(&text), cut(&new))),
                    literals: Vec::new(),
                });
            }
        }
    }
    None
}

pub fn is_comment(line: &str) -> bool {
    let line = line.trim_start();
    ["//", "#", "*", "--", "/*"].iter().any(|start| line.starts_with(start))
}

/// A line with its quoted (or, in `key: value`, bare) text cut out, and the text.
fn quoted(line: &str) -> Option<(String, String)> {
    for quote in ['"', '`', '\''] {
        if let Some((start, rest)) = line.split_once(quote)
            && let Some((text, end)) = rest.split_once(quote)
        {
            return Some((format!("{start}§{end}"), text.to_owned()));
        }
    }
    let (key, value) = line.split_once(": ").or_else(|| line.split_once('='))?;
    let value = value.trim();
    (!value.is_empty() && !value.contains(char::is_whitespace) && !value.contains('(')).then(|| (format!("{key}: §"), value.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn power(minus: &str, plus: &str) -> DiffPower {
        literal_power(&[minus], &[plus])
    }

    #[test]
    fn a_lowered_limit_weighs_more_than_a_raised_one() {
        let lowered = power("  max_connections: 40", "  max_connections: 8");
        assert_eq!(lowered.hint.as_deref(), Some("max_connections: 40 → 8"));
        assert!((lowered.power - 0.699).abs() < 0.01, "{lowered:?}");
        assert!(power("  max_connections: 8", "  max_connections: 40").power < 0.25);
    }

    #[test]
    fn units_are_understood_in_and_beside_the_number() {
        assert_eq!(power("timeout: 5s", "timeout: 5000ms").power, 0.0);
        assert!(power("Timeout: 5 * time.Second,", "Timeout: 300 * time.Millisecond,").power > 0.9);
        assert!(power(".readTimeout(Duration.ofSeconds(10))", ".readTimeout(Duration.ofMillis(200))").power > 0.9);
    }

    #[test]
    fn a_switched_flag_and_a_new_address_count_and_a_message_does_not() {
        assert_eq!(power("UseNewRanker: false,", "UseNewRanker: true,").power, 0.8);
        assert_eq!(power("url: http://a.prod:8080", "url: http://b.prod:8080").power, 0.6);
        assert_eq!(power("return errors.New(\"bad input\")", "return errors.New(\"invalid input\")").power, 0.0);
    }
}
