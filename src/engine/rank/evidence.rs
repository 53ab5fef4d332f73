//! Words: what changes and errors have in common, and which mechanisms join them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

/// Words that say nothing.
static STOP: LazyLock<BTreeSet<&str>> = LazyLock::new(|| STOP_WORDS.split_whitespace().collect());
const STOP_WORDS: &str = "the and for with from that this not are was new err error errors nil return func var const ctx int string type case code path \
    use per out set get only true false null none over under into onto all any has had been were will can add adds fix feat chore refactor \
    perf docs test style go service services internal pkg src main file line https http com svc api cases before came after requests now";

/// Mechanism families: words of a failure, words of a change that can produce it.
const FAMILIES: [(&str, &str, &str); 17] = [
    ("timeout", "deadline timeout timed cancel elapsed slow", "timeout deadline budget cancel"),
    ("pool", "pool exhausted acquire connections conns", "pool conn conns connection idle limit"),
    ("memory", "oom oomkilled memory heap rss gc", "append cache map buffer history accumulate retain memory heap limit"),
    ("disk", "disk space enospc readonly inode volume", "log level debug sample rotate retention dump wal tmp volume"),
    ("cpu", "cpu throttled saturation", "loop regex regexp compile hash cost sort encode compress worker concurrency spin ttl cache"),
    (
        "database",
        "db query queries sql statement select lock rows scan",
        "query select sql index join where transaction lock migration alter drop preload row",
    ),
    ("cache", "cache miss hit evict stampede", "cache ttl expire expiry key evict invalidate"),
    (
        "auth",
        "unauthorized forbidden 401 403 jwt signature permission denied token",
        "auth token jwt secret key scope role permission iam policy issuer audience",
    ),
    ("tls", "x509 certificate tls handshake", "certificate cert ca pem insecure tls"),
    ("dns", "dns resolve nxdomain servfail lookup", "dns host endpoint url resolver ndots"),
    ("decode", "unmarshal decode parse schema unexpected field malformed", "json proto schema field tag marshal rename version omitempty"),
    ("nil", "nil panic dereference nullpointer undefined segfault index range", "nil check guard optional pointer index default"),
    ("rate", "429 throttl quota ratelimit", "limit rate quota burst rps qps throttle"),
    ("retry", "retry retries attempts storm", "retry retries backoff attempts jitter"),
    (
        "queue",
        "lag backlog queue consumer offset rebalance dlq",
        "consumer batch partition poll commit ack prefetch concurrency worker queue",
    ),
    ("crash", "crashloop exit probe liveness readiness restart refused", "probe liveness port command entrypoint env config image"),
    ("lock", "deadlock lock mutex blocked goroutine threads contention", "lock mutex sync channel goroutine async"),
];

/// A mechanism family by the stems of its words.
struct Mechanism {
    name: &'static str,
    failure: BTreeSet<String>,
    cause: BTreeSet<String>,
}

static MECHANISMS: LazyLock<Vec<Mechanism>> = LazyLock::new(|| {
    let mechanism =
        |(name, failure, cause): (&'static str, &str, &str)| Mechanism { name, failure: words_of(failure), cause: words_of(cause) };
    FAMILIES.into_iter().map(mechanism).collect()
});

/// The first five letters of a word, in lower case.
fn stem(word: &str) -> String {
    word.chars().take(5).flat_map(char::to_lowercase).collect()
}

fn words_of(list: &str) -> BTreeSet<String> {
    list.split_whitespace().map(stem).collect()
}

/// Words of a text: split at camelCase and everything that is no letter or digit, cut to five letters, stop words left out.
pub fn words(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut word = String::new();
    let mut lower_before = false;
    let mut take = |word: &mut String| {
        let keep = word.chars().count() >= 3 || (!word.is_empty() && word.chars().all(|letter| letter.is_ascii_digit()));
        if keep && !STOP.contains(word.to_lowercase().as_str()) {
            found.push(stem(word));
        }
        word.clear();
    };
    for letter in text.chars() {
        let starts = letter.is_uppercase() && lower_before;
        if !letter.is_alphanumeric() || starts {
            take(&mut word);
        }
        if letter.is_alphanumeric() {
            word.push(letter);
        }
        lower_before = letter.is_lowercase() || letter.is_ascii_digit();
    }
    take(&mut word);
    found
}

/// Mechanisms of failure that a change with these words can produce.
pub fn mechanisms_of(change: &BTreeSet<&str>) -> Vec<&'static str> {
    let produces = |mechanism: &&Mechanism| mechanism.cause.iter().any(|word| change.contains(word.as_str()));
    MECHANISMS.iter().filter(produces).map(|mechanism| mechanism.name).collect()
}

/// Words and numbers of the new evidence of an investigation.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Wording {
    words: BTreeSet<String>,
    numbers: BTreeSet<String>,
    families: Vec<&'static str>,
}

impl Wording {
    pub fn of<'a>(texts: impl Iterator<Item = &'a str>) -> Self {
        let mut wording = Self::default();
        for text in texts {
            wording.words.extend(words(text));
            wording.numbers.extend(numbers(text));
        }
        wording.families =
            MECHANISMS.iter().filter(|mechanism| !mechanism.failure.is_disjoint(&wording.words)).map(|mechanism| mechanism.name).collect();
        wording
    }

    /// Of the mechanisms that a change can produce, those that the evidence speaks of.
    pub fn families_with(&self, change: &[&'static str]) -> Vec<&'static str> {
        self.families.iter().copied().filter(|family| change.contains(family)).collect()
    }

    /// Words shared with the change, rarest among the candidates first.
    pub fn shared(&self, change: &BTreeSet<&str>, frequency: &BTreeMap<&str, usize>) -> Vec<String> {
        let mut shared: Vec<&String> = self.words.iter().filter(|word| change.contains(word.as_str())).collect();
        let times = |word: &String| frequency.get(word.as_str()).copied().unwrap_or(0);
        shared.sort_by(|left, right| times(left).cmp(&times(right)).then(left.cmp(right)));
        shared.into_iter().cloned().collect()
    }

    /// True when the evidence names this number (three digits or more, or a decimal: small ones are everywhere).
    pub fn names_number(&self, number: &str) -> bool {
        number.len() >= 2 && self.numbers.contains(number)
    }
}

fn numbers(text: &str) -> Vec<String> {
    let is_part = |letter: char| letter.is_ascii_digit() || letter == '.';
    text.split(|letter: char| !is_part(letter))
        .map(|number| number.trim_matches('.').to_owned())
        .filter(|number| !number.is_empty())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_split_at_camel_case_and_cut() {
        assert_eq!(words("maxConnections: 40 acquireTimeout"), ["max", "conne", "40", "acqui", "timeo"]);
    }

    #[test]
    fn evidence_and_change_meet_in_a_mechanism() {
        let evidence = Wording::of(["could not acquire a connection from the pool of 8"].into_iter());
        let change = words("pool.max_connections");
        let produces = mechanisms_of(&change.iter().map(String::as_str).collect());
        assert!(evidence.families_with(&produces).contains(&"pool"));
        assert!(!evidence.names_number("8"), "one digit proves nothing");
    }
}
