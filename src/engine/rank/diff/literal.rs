//! Changed literals in code: pairs of removed and added lines with the same words and other values, by how far and which way.

use std::collections::BTreeSet;

use super::super::evidence::words;
use super::cancel::{Hunks, MOST_COMPARED};
use super::meaning::{amount_power, changed_value, is_generic, key_words, line_words, says_something};
use super::value::{Unit, Value, amount, value_of, word_unit};
use super::{DiffPower, squeeze};

#[derive(Clone, Debug, PartialEq)]
struct Literal {
    /// Normalised to seconds or bytes where a unit says so; `None` for a word.
    number: Option<(f64, Unit)>,
    raw: String,
    /// With the unit that stands beside it: `300 Millisecond`.
    shown: String,
    /// The words right before it, which name it.
    key: String,
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

/// The line with its literals replaced by `#`, and the literals.
fn skeleton(line: &str) -> (String, Vec<Literal>) {
    let pieces = pieces(line);
    let mut literals = Vec::new();
    let mut words: Vec<&str> = Vec::new();
    let beside = pieces.iter().find_map(|piece| word_unit(piece));
    for piece in &pieces {
        match amount(piece.trim_end_matches('.')) {
            Some((value, unit)) => {
                let (value, unit) =
                    if unit == Unit::None { (value * beside.unwrap_or(1.0), beside.map_or(unit, |_| Unit::Time)) } else { (value, unit) };
                let key = words.iter().rev().find(|word| word.len() > 1 && **word != "#").copied().unwrap_or_default().to_owned();
                let unit_word = beside.filter(|_| unit == Unit::Time).and_then(|_| pieces.iter().find(|piece| word_unit(piece).is_some()));
                let shown = unit_word
                    .map_or_else(|| (*piece).to_owned(), |word| format!("{piece} {}", word.trim_start_matches("of").to_lowercase()));
                literals.push(Literal { number: Some((value, unit)), raw: (*piece).to_owned(), shown, key });
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
    let plain = matches!(value_of(value), Value::Word(_) | Value::Switch(_));
    let is_key = !key.is_empty() && key.split_whitespace().count() <= 3;
    (plain && is_key)
        .then(|| (format!("{key} #"), vec![Literal { number: None, raw: value.to_owned(), shown: value.to_owned(), key: key.to_owned() }]))
}

/// Key of a line, for a person: `pool.max_connections`.
pub fn key_of(line: &str) -> String {
    let line = line.trim().trim_start_matches("- ");
    let key = line.split([':', '=', '(', ',']).next().unwrap_or_default().trim().trim_matches(['"', '\'']);
    key.split_whitespace().last().unwrap_or(key).chars().take(60).collect()
}

/// A line with what it is compared by.
struct Shape<'a> {
    line: &'a str,
    squeezed: String,
    words: BTreeSet<String>,
    literals: Vec<Literal>,
}

impl<'a> Shape<'a> {
    fn of(line: &'a str) -> Self {
        let (shape, literals) = skeleton(line);
        Self { line, squeezed: squeeze(&shape), words: words(&shape).into_iter().collect(), literals }
    }

    fn likeness(&self, other: &Self) -> f64 {
        let union = self.words.union(&other.words).count().max(1);
        if self.squeezed == other.squeezed { 1.01 } else { self.words.intersection(&other.words).count() as f64 / union as f64 }
    }
}

/// The strongest changed literal.
pub fn literal_power(hunks: &Hunks<'_>) -> DiffPower {
    let mut best = DiffPower::default();
    let mut left: Vec<Shape<'_>> = hunks.plus.iter().take(MOST_COMPARED).map(|line| Shape::of(line)).collect();
    for before in hunks.minus.iter().take(MOST_COMPARED).map(|line| Shape::of(line)) {
        let Some((index, likeness)) = partner(&before, &left) else { continue };
        let after = left.remove(index);
        // A word is a value only where all else is the same.
        if likeness < 0.5 || likeness < 1.0 && before.literals.iter().any(|literal| literal.number.is_none()) {
            continue;
        }
        let above = hunks.above.get(before.line).copied().unwrap_or_default();
        for (old, new) in before.literals.iter().zip(&after.literals) {
            let power = pair_power(before.line, after.line, above, old, new);
            if power.power > best.power {
                best = power;
            }
        }
    }
    let text = if best.power < 0.6 { changed_text(&hunks.minus, &hunks.plus) } else { None };
    let list = changed_list(&hunks.minus, &hunks.plus);
    DiffPower::strongest([Some(best), text, list].into_iter().flatten().collect())
}

fn pair_power(before: &str, after: &str, above: &str, old: &Literal, new: &Literal) -> DiffPower {
    let (Some((from, from_unit)), Some((to, to_unit))) = (old.number, new.number) else {
        return if old.number.is_none() && new.number.is_none() && old.raw != new.raw {
            changed_value(&format!("{}.{}", key_of(above).replace('.', " "), old.key.replace('.', " ")), &old.raw, &new.raw)
        } else {
            DiffPower::default()
        };
    };
    let own = if key_words(&old.key).is_empty() || from_unit != to_unit && old.raw == new.raw {
        line_words(before)
    } else {
        line_words(&old.key)
    };
    // The word right before the number names it; when it says nothing, the whole line does, then the line above.
    let whole: BTreeSet<String> = line_words(before).into_iter().chain(line_words(after)).collect();
    let around: BTreeSet<String> = line_words(above);
    let named = says_something(&own);
    let power = if named { amount_power(from, to, &own, &whole) } else { amount_power(from, to, &whole, &around) };
    let lifted = if is_generic(&own) { amount_power(from, to, &own, &around).max(power) } else { power };
    describe(before, old, new, lifted, from > to)
}

/// The added line most like a removed one, with as many literals.
fn partner(before: &Shape<'_>, plus: &[Shape<'_>]) -> Option<(usize, f64)> {
    let alike = plus.iter().enumerate().filter(|(_, after)| !before.literals.is_empty() && after.literals.len() == before.literals.len());
    let scored = alike.map(|(index, after)| (index, before.likeness(after)));
    scored.reduce(|best, next| if next.1 > best.1 { next } else { best })
}

fn describe(line: &str, old: &Literal, new: &Literal, power: f64, lowered: bool) -> DiffPower {
    // `WithTimeout` says more than the name that its line begins with.
    let key = if says_something(&key_words(&old.key)) { old.key.clone() } else { key_of(line) };
    let key: String = key.chars().take(60).collect();
    let verb = if lowered { "lowered" } else { "raised" };
    DiffPower {
        power,
        reason: format!("it {verb} {key} from {} to {}", old.shown, new.shown),
        hint: Some(format!("{key}: {} → {}", old.shown, new.shown)),
        literals: vec![new.raw.trim_end_matches(|letter: char| letter.is_alphabetic()).to_owned()],
    }
}

/// A changed address, key, tag or pattern: .6. Messages do not count.
fn changed_text(minus: &[&str], plus: &[&str]) -> Option<DiffPower> {
    const MESSAGES: [&str; 14] =
        ["error", "err(", "log", "msg", "message", "print", "desc", "title", "label", "comment", "raise ", "throw ", "panic", "expect("];
    for before in minus.iter().take(MOST_COMPARED) {
        let lower = before.to_lowercase();
        if MESSAGES.iter().any(|word| lower.contains(word)) {
            continue;
        }
        let Some((shape, text)) = quoted(before) else { continue };
        for after in plus.iter().take(MOST_COMPARED) {
            let differs = |other: &str, new: &str| squeeze(other) == squeeze(&shape) && new != text && !new.is_empty();
            if let Some((other, new)) = quoted(after).filter(|(other, new)| differs(other, new) && amount(new).is_none()) {
                let key = key_of(&other);
                // What is shown to people reads as a sentence.
                let sentence = |text: &str| text.split_whitespace().count() > 2 && !text.contains(['/', '(', '[', '=', ':', '{']);
                if sentence(&text) && sentence(&new) {
                    continue;
                }
                let cut = |text: &str| text.chars().take(60).collect::<String>();
                return Some(DiffPower {
                    power: if is_explosive(&new) && !is_explosive(&text) { 0.8 } else { 0.6 },
                    reason: format!("it changed {key} from {} to {}", cut(&text), cut(&new)),
                    hint: Some(format!("{key}: {} → {}", cut(&text), cut(&new))),
                    literals: Vec::new(),
                });
            }
        }
    }
    None
}

/// All quoted texts of a line, and the line without them.
fn all_quoted(line: &str) -> (String, Vec<String>) {
    let (mut shape, mut texts, mut rest) = (String::new(), Vec::new(), line);
    while let Some(at) = rest.find(['"', '\'', '`']) {
        let quote = &rest[at..=at];
        let Some(end) = rest[at + 1..].find(quote) else { break };
        shape.push_str(&rest[..at]);
        texts.push(rest[at + 1..at + 1 + end].to_owned());
        rest = &rest[at + end + 2..];
    }
    shape.push_str(rest);
    (squeeze(&shape).replace(',', ""), texts)
}

/// A list of texts in one line that lost or gained some.
fn changed_list(minus: &[&str], plus: &[&str]) -> Option<DiffPower> {
    let lists: Vec<(String, Vec<String>)> = plus.iter().take(MOST_COMPARED).map(|line| all_quoted(line)).collect();
    minus.iter().take(MOST_COMPARED).find_map(|line| {
        let (shape, old) = all_quoted(line);
        let (_, new) = lists.iter().find(|(other, new)| *other == shape && new.len() != old.len())?;
        let gone = old.iter().find(|text| !new.contains(text));
        let key = key_of(line);
        let cut = |text: &String| text.chars().take(60).collect::<String>();
        Some(match gone {
            Some(text) => DiffPower::new(0.6, &format!("it takes {} out of {key}", cut(text))),
            None => DiffPower::new(0.25, &format!("it adds to {key}")),
        })
    })
}

/// A repeated group that repeats inside: time grows exponentially with the text.
fn is_explosive(pattern: &str) -> bool {
    [")+", ")*"].iter().any(|end| {
        pattern.match_indices(end).any(|(at, _)| pattern[..at].rsplit('(').next().is_some_and(|group| group.contains(['+', '*'])))
    })
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
    // A pattern of JavaScript: `mail: /^a$/,`.
    for sign in [": /", "= /", "(/"] {
        if let Some((start, rest)) = line.split_once(sign)
            && let Some((text, end)) = rest.rsplit_once('/')
        {
            return Some((format!("{start}§{end}"), text.to_owned()));
        }
    }
    let (key, value) = line.split_once(": ").or_else(|| line.split_once('='))?;
    let value = value.trim().trim_end_matches([',', ';']);
    (!value.is_empty() && !value.contains(char::is_whitespace) && !value.contains('(')).then(|| (format!("{key}: §"), value.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn power(minus: &str, plus: &str) -> DiffPower {
        literal_power(&Hunks { minus: vec![minus], plus: vec![plus], ..Hunks::default() })
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
        assert!(power("config.setConnectionTimeout(30_000);", "config.setConnectionTimeout(500);").power > 0.9);
    }

    #[test]
    fn a_switched_flag_and_a_new_address_count_and_a_message_does_not() {
        assert_eq!(power("UseNewRanker: false,", "UseNewRanker: true,").power, 0.8);
        assert_eq!(power("url: http://a.prod:8080", "url: http://b.prod:8080").power, 0.6);
        assert_eq!(power("return errors.New(\"bad input\")", "return errors.New(\"invalid input\")").power, 0.0);
        assert_eq!(power("x: /^[a-z]+$/,", "x: /^([a-z]+)*$/,").power, 0.8);
    }
}
