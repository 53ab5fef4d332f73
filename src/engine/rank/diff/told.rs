//! Changes of flags and settings that come without a diff: "pool.max 40 → 8", "search.timeout from 5s to 300ms", "new_ranker off->on".

use super::DiffPower;
use super::meaning::changed_value;
use super::value::{Value, value_of};

/// A switched flag, as much as a diff that is not known: what stands behind it is not seen.
const SWITCHED: f64 = 0.4;

/// Power of the values that a message tells; `None` when it tells none.
pub fn told_power(message: &str) -> Option<DiffPower> {
    let line: String = message.lines().next()?.chars().take(400).collect();
    let spaced = ["->", "=>", "→"].iter().fold(line, |line, arrow| line.replace(arrow, " → "));
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let at = |index: Option<usize>| index.and_then(|index| words.get(index)).copied();
    words.iter().enumerate().find_map(|(index, word)| {
        let (key, before) = match *word {
            "→" => (index.checked_sub(2), index.checked_sub(1)),
            "to" if index.checked_sub(2).and_then(|from| words.get(from)) == Some(&"from") => (index.checked_sub(3), index.checked_sub(1)),
            _ => return None,
        };
        let (key, before, after) = (at(key)?.trim_matches([':', '=', '"', '`', '\'']), at(before)?, at(Some(index + 1))?);
        judge(key, before.trim_matches(['"', ',']), after.trim_matches(['"', '.', ',', ';']))
    })
}

fn judge(key: &str, before: &str, after: &str) -> Option<DiffPower> {
    let changed = changed_value(key, before, after);
    match (value_of(before), value_of(after)) {
        (Value::Amount(..), Value::Amount(..)) => Some(changed),
        (Value::Switch(old), Value::Switch(new)) if old != new => {
            Some(DiffPower { power: SWITCHED, reason: format!("it switched {key} from {before} to {after}"), ..changed })
        }
        (Value::Word(_), Value::Word(_)) if key.to_ascii_lowercase().contains("level") => Some(changed),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_is_judged_by_the_values_it_tells() {
        let power = |message: &str| told_power(message).map_or((0.0, String::new()), |power| (power.power, power.reason));
        assert!(power("pool.max 40 → 8").0 > 0.6);
        assert_eq!(power("pool.max 40 → 8").1, "it lowered pool.max from 40 to 8");
        assert!(power("Set search.timeout from 5s to 300ms").0 > 0.9);
        assert_eq!(power("new_ranker off->on"), (SWITCHED, "it switched new_ranker from off to on".to_owned()));
        assert!(power("pool.max: 8 -> 40").0 < 0.3);
    }

    #[test]
    fn other_messages_tell_nothing() {
        for message in ["", "→", "move cart from staging to production", "deploy cart v1.2.0 → v1.3.0", "to", "a -> b", "→ → →"] {
            assert_eq!(told_power(message), None, "{message}");
        }
    }
}
