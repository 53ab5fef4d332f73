//! What a changed value does, by the words of its key: less room, more load, shorter pauses; and how far it went.

use std::collections::BTreeSet;

use super::super::evidence::words;
use super::DiffPower;
use super::arguments::changed_arguments;
use super::value::{Unit, Value, machine_size, runs_a_day, unquoted, value_of, version, version_power};

/// Lowering one of these takes something away.
const LIMITS: &str = "timeout deadline ttl max maximum limit pool conns connections size capacity quota memory cpu replicas replica buffer budget heap expiry \
    expire instances per second requests grace threshold storage disk permits lease memorysize mem min minimum age tolerance xmx allowed files";
/// Raising one of these asks for more.
const LOADS: &str = "rate sample sampling level retries retry attempts batch burst fanout frequency verbosity debug records poll prefetch unavailable rollout \
    percentage weight traffic";
/// Lowering one of these makes something happen more often.
const PAUSES: &str = "interval period backoff delay sleep cooldown pause";
/// Too few cannot keep up, too many ask for too much.
const CAPACITIES: &str = "workers threads concurrency parallelism worker thread";
/// Keys whose values people read, not programs.
const WORDING: &str = "description title owner owners team label labels annotation annotations comment comments runbook summary author authors maintainer license \
    homepage note notes keywords displayname display icon color contact email documentation doc tags tag_specifications message text msg help";
/// Keys that say little without the one above them.
const GENERIC: &str = "limit max min size count value enabled default total maximum minimum number num seconds millis amount rate ms";

/// A lowered limit of this share or more is felt, however small its logarithm: a quarter is a common safety margin.
const FELT: f64 = 0.75;
const FELT_POWER: f64 = 0.35;

/// Whole lower-case words of a key, cut at camelCase and separators, short ones included.
pub fn key_words(key: &str) -> BTreeSet<String> {
    let letters: Vec<char> = key.chars().take(400).collect();
    let mut split = String::new();
    for (index, letter) in letters.iter().enumerate() {
        let is = |at: Option<usize>, test: fn(&char) -> bool| at.and_then(|at| letters.get(at)).is_some_and(test);
        let lower = |letter: &char| letter.is_lowercase() || letter.is_ascii_digit();
        let before = index.checked_sub(1);
        // `maxSize` and the end of an acronym: `RAMPercentage`.
        let starts = letter.is_uppercase()
            && (is(before, lower) || is(before, |letter| letter.is_uppercase()) && is(Some(index + 1), |letter| letter.is_lowercase()));
        if starts || !letter.is_alphanumeric() {
            split.push(' ');
        }
        if letter.is_alphanumeric() {
            split.extend(letter.to_lowercase());
        }
    }
    split.split_whitespace().map(str::to_owned).collect()
}

fn has(list: &str, key: &BTreeSet<String>) -> bool {
    let stem = |word: &str| word.chars().take(5).collect::<String>();
    let stems: BTreeSet<String> = key.iter().map(|word| stem(word)).collect();
    list.split_whitespace().any(|word| if word.len() < 5 { key.contains(word) } else { stems.contains(&stem(word)) })
}

/// True for a key whose value is for people.
pub fn is_wording(path: &str) -> bool {
    let lower = path.to_ascii_lowercase();
    if ["selector", "matchlabels", "podselector", "security", "taint"].iter().any(|word| lower.contains(word)) {
        return false;
    }
    path.split('.').any(|part| {
        let lower = part.trim_matches('"').to_ascii_lowercase();
        WORDING.split_whitespace().any(|word| lower == word)
            || lower.ends_with("description")
            || lower.ends_with("_title")
            || lower.ends_with("annotations")
    })
}

/// True for a key that one of the lists knows.
pub fn says_something(key: &BTreeSet<String>) -> bool {
    [LIMITS, LOADS, PAUSES, CAPACITIES].iter().any(|list| has(list, key))
}

/// True for a key that needs the one above it.
pub fn is_generic(key: &BTreeSet<String>) -> bool {
    key.iter().all(|word| GENERIC.split_whitespace().any(|generic| generic == word))
}

/// Weight of the direction: what takes away or asks for more weighs 1, the other way .3, unknown .7.
pub fn direction(own: &BTreeSet<String>, around: &BTreeSet<String>, up: bool) -> f64 {
    let generic = is_generic(own);
    let both: BTreeSet<String> = own.union(around).cloned().collect();
    let key = if generic { &both } else { own };
    let raised = |weight_up: f64, weight_down: f64| if up { weight_up } else { weight_down };
    match () {
        () if has("ram heap", key) && has("percentage percent", key) => 1.0,
        () if has("rate", key) && has("limit throttle limiter", key) => raised(0.3, 1.0),
        () if has(PAUSES, key) && !has("grace", key) => raised(0.3, 1.0),
        () if has(CAPACITIES, key) => 1.0,
        () if has(LOADS, key) => raised(1.0, 0.3),
        () if has(LIMITS, key) => raised(0.3, 1.0),
        () => 0.7,
    }
}

fn magnitude(before: f64, after: f64) -> f64 {
    if before <= 0.0 || after <= 0.0 { 1.0 } else { (after / before).log10().abs().min(1.0) }
}

/// Power of an amount that became another.
pub fn amount_power(before: f64, after: f64, own: &BTreeSet<String>, around: &BTreeSet<String>) -> f64 {
    if before == after {
        return 0.0;
    }
    // A port or a user's number is a name, not an amount.
    if has("port uid gid user", own) {
        return 0.6;
    }
    let weight = direction(own, around, after > before);
    let mut power = magnitude(before, after) * weight;
    if weight == 1.0 && after > 0.0 && after <= before * FELT && before >= 2.0 {
        power = power.max(FELT_POWER);
    }
    // Exactly a thousand or sixty times as much looks like another unit, whichever way it went.
    let factor = if after > before { after / before } else { before / after };
    if [60.0, 1e3, 1e6, 3.6e6].iter().any(|unit| (factor - unit).abs() < 1e-6 * unit) && before > 0.0 && after > 0.0 {
        power = power.max(0.7);
    }
    power
}

fn word_power(before: &str, after: &str, own: &BTreeSet<String>, around: &BTreeSet<String>) -> f64 {
    const LEVELS: [&str; 10] = ["trace", "debug", "verbose", "info", "notice", "warn", "warning", "error", "fatal", "all"];
    let level = has("level log logging verbosity loglevel", own) || has("level loglevel", around);
    let rank = |word: &str| LEVELS.iter().position(|level| *level == word);
    match (rank(before), rank(after)) {
        (Some(_), Some(after)) if after <= 2 => 1.0,
        (Some(_), Some(_)) => 0.2,
        (_, Some(after)) if level && after <= 2 => 1.0,
        _ if level => 0.24,
        _ => 0.8,
    }
}

/// Items of `[a, b]` or `a,b`.
fn items(text: &str) -> Option<BTreeSet<&str>> {
    let text = unquoted(text);
    let inner = text.strip_prefix(['[', '(']).and_then(|text| text.strip_suffix([']', ')']));
    let listed = inner.is_some() || text.contains(',') && !text.contains(' ');
    listed.then(|| inner.unwrap_or(text).split(',').map(unquoted).filter(|item| !item.is_empty()).collect())
}

fn text_power(before: &str, after: &str, key: &BTreeSet<String>) -> f64 {
    const ELSEWHERE: [&str; 8] = ["staging", "localhost", "sandbox", "test", "dev", "example", "local", "qa"];
    if let (Some(before), Some(after)) = (runs_a_day(before), runs_a_day(after)) {
        return if after > before { magnitude(before, after).max(0.4) } else { 0.25 };
    }
    if let (Some(before), Some(after)) = (machine_size(before), machine_size(after)) {
        return if after < before { 0.7 } else { 0.25 };
    }
    let latest = |text: &str| text.ends_with("latest") || text.ends_with(":main") || text.ends_with("snapshot");
    if !latest(before) && latest(after) {
        return 0.6;
    }
    let versioned =
        has("image tag version engine_version from runtime release chart", key) || before.contains(':') && !before.contains("//");
    if let (true, Some((old, old_around)), Some((new, new_around))) = (versioned, version(before), version(after)) {
        return if old_around == new_around || old_around.trim_matches('"') == new_around.trim_matches('"') {
            version_power(old, new)
        } else {
            0.6f64.max(version_power(old, new))
        };
    }
    if let (Some(before), Some(after)) = (items(before), items(after)) {
        return if before == after {
            0.0
        } else if before.is_subset(&after) {
            0.25
        } else {
            0.6
        };
    }
    // What reads as a sentence is for people, wherever it stands.
    let sentence = |text: &str| text.contains(' ') && text.chars().all(|letter| letter.is_alphanumeric() || " .,!?'%-".contains(letter));
    if sentence(before) && sentence(after) {
        return 0.15;
    }
    let foreign = |text: &str| key_words(text).iter().any(|word| ELSEWHERE.contains(&word.as_str()));
    if foreign(after) && !foreign(before) { 0.8 } else { 0.6 }
}

fn cut(text: &str) -> String {
    let text = unquoted(text);
    if text.chars().count() > 60 { format!("{}…", text.chars().take(59).collect::<String>()) } else { text.to_owned() }
}

/// A value that became another, as power and sentence. `path` is the key's whole path; its last part decides, then the one above.
pub fn changed_value(path: &str, before: &str, after: &str) -> DiffPower {
    let (before, after) = (unquoted(before), unquoted(after));
    if before == after {
        return DiffPower::default();
    }
    let mut parts = path.rsplit('.').filter(|part| !part.is_empty() && *part != "-");
    let own = key_words(parts.next().unwrap_or_default());
    let around = key_words(parts.next().unwrap_or_default());
    let mut verb = "changed";
    let versioned = has("image tag version release", &own) && version(before).is_some() && version(after).is_some();
    if let Some(flag) = (!versioned).then(|| changed_arguments(before, after)).flatten() {
        return flag;
    }
    let mut power = match (value_of(before), value_of(after)) {
        _ if versioned => text_power(before, after, &own),
        (Value::Amount(old, old_unit), Value::Amount(new, new_unit)) => {
            // Of a processor, `m` means thousandths; beside a size in bytes, millions.
            let bytes = old_unit == Unit::Bytes || new_unit == Unit::Bytes;
            let milli = |value: f64, unit: Unit| match unit {
                Unit::Time if has("cpu", &own) => value / 60.0 / 1e3,
                Unit::Time if bytes => value / 60.0 * 1e6,
                _ => value,
            };
            let (old, new) = (milli(old, old_unit), milli(new, new_unit));
            verb = if new < old { "lowered" } else { "raised" };
            if (old_unit == Unit::Percent) != (new_unit == Unit::Percent) {
                verb = "changed";
                0.7
            } else {
                amount_power(old, new, &own, &around)
            }
        }
        (Value::Switch(old), Value::Switch(new)) => {
            if old == new {
                0.0
            } else {
                0.8
            }
        }
        (Value::Word(old), Value::Word(new)) => word_power(&old, &new, &own, &around),
        (Value::Amount(..), Value::Text) | (Value::Text, Value::Amount(..)) if version(before).is_some() && version(after).is_some() => {
            text_power(before, after, &own)
        }
        _ => text_power(before, after, &own),
    };
    if is_wording(path) {
        power = power.min(0.05);
    }
    let key = shown(path);
    let number = matches!(value_of(after), Value::Amount(..));
    DiffPower {
        power,
        reason: format!("it {verb} {key} from {} to {}", cut(before), cut(after)),
        hint: Some(format!("{key}: {} → {}", cut(before), cut(after))),
        literals: number
            .then(|| after.trim_end_matches(|letter: char| letter.is_alphabetic() || letter == '%').to_owned())
            .into_iter()
            .collect(),
    }
}

/// The end of a key path, as much as a person needs: `limits.memory`.
pub fn shown(path: &str) -> String {
    let parts: Vec<&str> = path.split('.').filter(|part| !part.is_empty() && *part != "-").collect();
    let from = parts.len().saturating_sub(2);
    let text = parts[from..].join(".");
    if text.is_empty() { "a value".to_owned() } else { text.chars().take(80).collect() }
}

/// Words of a line of code as key: what names its value.
pub fn line_words(line: &str) -> BTreeSet<String> {
    words(line).into_iter().chain(key_words(line)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn power(path: &str, before: &str, after: &str) -> f64 {
        changed_value(path, before, after).power
    }

    #[test]
    fn direction_and_distance_decide() {
        assert!(power("pool.max_size", "40", "8") > 0.6 && power("pool.max_size", "8", "40") < 0.3);
        assert!(power("retry.limit", "2", "15") > 0.8, "the limit of retries is a load");
        assert!(power("limits.rate_limit", "400", "40") > 0.8);
        assert!(power("probe.initialDelaySeconds", "90", "5") > 0.8);
        assert_eq!(power("limits.cpu", "2", "2000m"), 0.0);
        assert!(power("limits.memory", "2Gi", "1536Mi") >= 0.3, "a quarter less is felt");
        assert!(power("jvm.Xmx", "1g", "2048m") < 0.3, "more, in another unit");
        assert!(power("cache.ex", "1800", "1800000") >= 0.7, "looks like another unit");
    }

    #[test]
    fn words_versions_schedules_and_addresses() {
        assert_eq!(power("log.level", "info", "debug"), 1.0);
        assert!(power("log.level", "debug", "info") < 0.3);
        assert_eq!(power("feature.enabled", "false", "true"), 0.8);
        assert!(power("image.tag", "6.2.13", "6.2.14") < 0.2 && power("image.tag", "6.2.14", "7.2.4") >= 0.6);
        assert!(power("job.schedule", "0 3 * * *", "* * * * *") > 0.9);
        assert!(power("db.instance_class", "db.r6g.2xlarge", "db.t3.medium") > 0.6);
        assert!(power("db.url", "http://a.prod:80", "http://a.staging:80") > 0.6);
        assert!(power("service.owner", "search", "discovery") < 0.1);
        assert_eq!(changed_value("spec.limits.memory", "2Gi", "512Mi").reason, "it lowered limits.memory from 2Gi to 512Mi");
    }
}
