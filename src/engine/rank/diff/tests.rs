//! Whether the power of a diff tells what can break something from what cannot, on `tests/fixtures/diffs`.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::*;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Group {
    language: String,
    case: Vec<Case>,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    label: Label,
    mechanism: String,
    why: String,
    message: String,
    files: Vec<String>,
    diff: String,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Label {
    Risky,
    Harmless,
}

macro_rules! groups {
    ($($name:literal),+) => { [$(include_str!(concat!("../../../../tests/fixtures/diffs/", $name, ".toml"))),+] };
}

const GROUPS: [&str; 13] = groups!(
    "config",
    "dependencies",
    "docker",
    "flags",
    "go",
    "helm",
    "java",
    "kubernetes",
    "python",
    "rust",
    "sql",
    "terraform",
    "typescript"
);

/// A diff of this power is shown as one that can have done it.
const BAR: f64 = 0.3;

fn corpus() -> Vec<(String, Case)> {
    let groups = GROUPS.iter().map(|text| toml::from_str::<Group>(text).unwrap());
    groups.flat_map(|group| group.case.into_iter().map(move |case| (group.language.clone(), case))).collect()
}

/// FNV-1a of the name, modulo 3: fixed before the rules were written.
fn is_set_aside(case: &Case) -> bool {
    let hash = case.name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    hash.is_multiple_of(3)
}

#[derive(Clone, Debug, Default)]
struct Score {
    risky: Vec<f64>,
    harmless: Vec<f64>,
}

impl Score {
    /// Share of pairs in which the risky one has more power; ties count half.
    fn auc(&self) -> f64 {
        let wins = self.risky.iter().flat_map(|risky| self.harmless.iter().map(move |harmless| (risky, harmless)));
        let won: f64 = wins.map(|(risky, harmless)| if risky > harmless { 1.0 } else if risky == harmless { 0.5 } else { 0.0 }).sum();
        won / (self.risky.len() * self.harmless.len()) as f64
    }

    fn found(&self) -> usize {
        self.risky.iter().filter(|power| **power >= BAR).count()
    }

    fn false_alarms(&self) -> usize {
        self.harmless.iter().filter(|power| **power >= BAR).count()
    }

    fn right(&self) -> f64 {
        (self.found() + self.harmless.len() - self.false_alarms()) as f64 / (self.risky.len() + self.harmless.len()) as f64
    }
}

/// AUC and share right at the bar with the rules that knew Go, YAML and SQL best, as they were when this corpus was made: development part, then
/// what was set aside.
const BEFORE: [(&str, f64, f64); 2] = [("development", 0.745, 0.716), ("set aside", 0.707, 0.693)];

fn measure() -> [(Score, BTreeMap<String, Score>); 2] {
    let mut parts = [(Score::default(), BTreeMap::new()), (Score::default(), BTreeMap::new())];
    for (language, case) in corpus() {
        let (all, by_language): &mut (Score, BTreeMap<String, Score>) = &mut parts[usize::from(is_set_aside(&case))];
        let power = diff_power(&case.message, &case.files, Some(&case.diff)).unwrap_or_default().power;
        for score in [all, by_language.entry(language).or_default()] {
            match case.label {
                Label::Risky => score.risky.push(power),
                Label::Harmless => score.harmless.push(power),
            }
        }
    }
    parts
}

#[test]
fn the_corpus_is_large_balanced_and_says_why() {
    let corpus = corpus();
    let risky = corpus.iter().filter(|(_, case)| case.label == Label::Risky).count();
    assert!(corpus.len() >= 160 && risky * 5 >= corpus.len() * 2 && risky * 5 <= corpus.len() * 3, "{risky} of {}", corpus.len());
    let names: std::collections::BTreeSet<&str> = corpus.iter().map(|(_, case)| case.name.as_str()).collect();
    assert_eq!(names.len(), corpus.len(), "names are unique");
    for (_, case) in &corpus {
        assert!(!case.why.is_empty() && !case.mechanism.is_empty() && case.diff.contains("@@ -"), "{}", case.name);
    }
    let aside = corpus.iter().filter(|(_, case)| is_set_aside(case)).count();
    assert!(aside * 4 >= corpus.len() && aside * 5 <= corpus.len() * 2, "{aside} of {} set aside", corpus.len());
}

#[test]
fn what_can_break_something_is_told_from_what_cannot_in_every_language() {
    let parts = measure();
    for ((score, by_language), (part, auc_before, right_before)) in parts.iter().zip(BEFORE) {
        println!("{part:<14} risky harmless  AUC (before)  right at {BAR} (before)  found  false alarms");
        let row = |name: &str, score: &Score| {
            let (risky, harmless) = (score.risky.len(), score.harmless.len());
            println!(
                "{name:<14} {risky:5} {harmless:8}  {:.3}          {:.3}                  {:3}    {:3}",
                score.auc(),
                score.right(),
                score.found(),
                score.false_alarms()
            );
        };
        if part == "development" {
            by_language.iter().for_each(|(language, score)| row(language, score));
        }
        println!(
            "{:<14} {:5} {:8}  {:.3} ({auc_before:.3})  {:.3} ({right_before:.3})          {:3}    {:3}",
            "all",
            score.risky.len(),
            score.harmless.len(),
            score.auc(),
            score.right(),
            score.found(),
            score.false_alarms()
        );
    }
    for ((score, _), (part, auc, right)) in parts.iter().zip(FLOORS) {
        assert!(score.auc() >= auc, "{part}: AUC {:.3} is below {auc}", score.auc());
        assert!(score.right() >= right, "{part}: {:.3} right is below {right}", score.right());
    }
}

/// AUC and share right that no later change may lose: a little below what was measured.
const FLOORS: [(&str, f64, f64); 2] = [("development", 0.74, 0.71), ("set aside", 0.70, 0.69)];
