//! Command lines and option strings: `["gunicorn", "--workers", "8"]`, `-Xmx8g -XX:MaxRAMPercentage=60`.

use std::collections::BTreeMap;

use super::DiffPower;
use super::meaning::changed_value;

/// Options with their values; words that are no option count by themselves.
fn options(text: &str) -> BTreeMap<String, String> {
    let tokens = text.split(|letter: char| letter.is_whitespace() || "[]\"',".contains(letter)).filter(|token| !token.is_empty());
    let mut options = BTreeMap::new();
    let mut open: Option<String> = None;
    for token in tokens {
        if let Some(flag) = token.strip_prefix('-') {
            let flag = flag.trim_start_matches('-').trim_start_matches("XX:");
            if let Some((key, value)) = flag.split_once('=') {
                options.insert(key.to_owned(), value.to_owned());
                open = None;
            } else if let Some(at) = flag.strip_prefix('X').and_then(|rest| rest.find(|letter: char| letter.is_ascii_digit())) {
                options.insert(flag[..=at].to_owned(), flag[at + 1..].to_owned());
                open = None;
            } else {
                let (key, value) = flag.strip_prefix('+').map_or((flag, "true"), |key| (key, "on"));
                options.insert(key.to_owned(), value.to_owned());
                open = Some(key.to_owned());
            }
        } else if let Some(key) = open.take() {
            options.insert(key, token.to_owned());
        } else {
            options.insert(token.to_owned(), String::new());
        }
    }
    options
}

fn is_command(text: &str) -> bool {
    text.split(|letter: char| letter.is_whitespace() || "[\"',".contains(letter)).any(|token| {
        token.len() > 2 && token.starts_with('-') && token[1..].starts_with(|letter: char| letter.is_ascii_alphabetic() || letter == '-')
    })
}

/// The strongest changed option of two command lines; `None` when they are none.
pub fn changed_arguments(before: &str, after: &str) -> Option<DiffPower> {
    if !is_command(before) || !is_command(after) {
        return None;
    }
    let (old, new) = (options(before), options(after));
    let changed = old.iter().filter_map(|(key, value)| {
        let now = new.get(key)?;
        (now != value).then(|| changed_value(key, value, now))
    });
    let gone =
        old.keys().filter(|key| !new.contains_key(*key)).map(|key| DiffPower::new(0.5, &format!("it no longer passes {}", short(key))));
    let added = new.keys().filter(|key| !old.contains_key(*key)).map(|key| DiffPower::new(0.3, &format!("it passes {} too", short(key))));
    let all: Vec<DiffPower> = changed.chain(gone).chain(added).collect();
    Some(DiffPower::strongest(all))
}

fn short(text: &str) -> String {
    text.chars().take(60).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_compared_one_by_one() {
        let power = changed_arguments(
            "[\"gunicorn\", \"--workers\", \"8\", \"-t\", \"60\"]",
            "[\"gunicorn\", \"--workers\", \"1\", \"-t\", \"60\"]",
        );
        assert_eq!(power.map(|power| power.reason), Some("it lowered workers from 8 to 1".to_owned()));
        assert!(changed_arguments("-XX:MaxRAMPercentage=60", "-XX:MaxRAMPercentage=98").is_some_and(|power| power.power > 0.2));
        assert!(changed_arguments("-Xms1g -Xmx8g", "-Xms1g -Xmx1g").is_some_and(|power| power.power > 0.8));
        assert_eq!(changed_arguments("plain text", "other text"), None);
    }
}
