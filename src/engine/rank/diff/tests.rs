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

/// Cases written when the rules stood; gaps that they showed were closed.
const LATER: &str = include_str!("../../../../tests/fixtures/diffs/later.toml");
/// Cases written after that, which no rule was changed for: of them, as of those set aside, only totals are looked at.
const UNSEEN: &str = include_str!("../../../../tests/fixtures/diffs/unseen.toml");

/// A diff of this power is shown as one that can have done it.
const BAR: f64 = 0.3;

fn read(groups: &[&str]) -> Vec<(String, Case)> {
    let groups = groups.iter().map(|text| toml::from_str::<Group>(text).unwrap());
    groups.flat_map(|group| group.case.into_iter().map(move |case| (group.language.clone(), case))).collect()
}

fn corpus() -> Vec<(String, Case)> {
    read(&GROUPS)
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
        let won: f64 = wins
            .map(|(risky, harmless)| {
                if risky > harmless {
                    1.0
                } else if risky == harmless {
                    0.5
                } else {
                    0.0
                }
            })
            .sum();
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

/// AUC and share right at the bar with the rules that knew Go, YAML and SQL best, as they were when this corpus was made.
const BEFORE: [(&str, f64, f64); 4] =
    [("development", 0.745, 0.716), ("set aside", 0.707, 0.693), ("later", 0.595, 0.581), ("unseen", 0.749, 0.738)];
/// The same of the development part by language.
const BEFORE_BY_LANGUAGE: [(&str, f64, f64); 13] = [
    ("config", 0.740, 0.710),
    ("dependencies", 0.650, 0.556),
    ("docker", 0.595, 0.538),
    ("flags", 0.542, 0.714),
    ("go", 0.980, 0.929),
    ("helm", 0.750, 0.750),
    ("java", 0.716, 0.667),
    ("kubernetes", 0.917, 0.870),
    ("python", 0.552, 0.571),
    ("rust", 0.806, 0.750),
    ("sql", 0.709, 0.562),
    ("terraform", 0.720, 0.800),
    ("typescript", 0.806, 0.789),
];
/// What the new rules made of the later cases the first time they ran.
const LATER_AT_FIRST: (f64, f64) = (0.840, 0.806);

type Part = (Score, BTreeMap<String, Score>);

fn measure() -> [Part; 4] {
    let mut parts = [Part::default(), Part::default(), Part::default(), Part::default()];
    let cases = corpus().into_iter().map(|(language, case)| (usize::from(is_set_aside(&case)), language, case));
    let later = read(&[LATER]).into_iter().map(|(language, case)| (2, language, case));
    let unseen = read(&[UNSEEN]).into_iter().map(|(language, case)| (3, language, case));
    for (part, language, case) in cases.chain(later).chain(unseen) {
        let (all, by_language) = &mut parts[part];
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
    let later = read(&[LATER, UNSEEN]);
    let corpus = corpus();
    let risky = corpus.iter().filter(|(_, case)| case.label == Label::Risky).count();
    assert!(corpus.len() >= 160 && risky * 5 >= corpus.len() * 2 && risky * 5 <= corpus.len() * 3, "{risky} of {}", corpus.len());
    let names: std::collections::BTreeSet<&str> = corpus.iter().map(|(_, case)| case.name.as_str()).collect();
    assert_eq!(names.len(), corpus.len(), "names are unique");
    for (_, case) in corpus.iter().chain(&later) {
        assert!(!case.why.is_empty() && !case.mechanism.is_empty() && case.diff.contains("@@ -"), "{}", case.name);
    }
    let aside = corpus.iter().filter(|(_, case)| is_set_aside(case)).count();
    assert!(aside * 4 >= corpus.len() && aside * 5 <= corpus.len() * 2, "{aside} of {} set aside", corpus.len());
}

#[test]
fn what_can_break_something_is_told_from_what_cannot_in_every_language() {
    let parts = measure();
    println!("{:<14} risky harmless  AUC (before)    right at {BAR} (before)  found  false alarms", "");
    let row = |name: &str, score: &Score, before: &[(&str, f64, f64)]| {
        let (_, auc, right) = before.iter().find(|(other, ..)| *other == name).copied().unwrap_or((name, f64::NAN, f64::NAN));
        let (risky, harmless) = (score.risky.len(), score.harmless.len());
        let (found, alarms) = (score.found(), score.false_alarms());
        println!(
            "{name:<14} {risky:5} {harmless:8}  {:.3} ({auc:.3})   {:.3} ({right:.3})         {found:5}  {alarms:5}",
            score.auc(),
            score.right()
        );
    };
    for (language, score) in &parts[0].1 {
        row(language, score, &BEFORE_BY_LANGUAGE);
    }
    for ((score, _), (part, ..)) in parts.iter().zip(BEFORE) {
        row(part, score, &BEFORE);
    }
    println!("later cases at their first run: AUC {:.3}, right {:.3}", LATER_AT_FIRST.0, LATER_AT_FIRST.1);
    for ((score, _), (part, auc, right)) in parts.iter().zip(FLOORS) {
        assert!(score.auc() >= auc, "{part}: AUC {:.3} is below {auc}", score.auc());
        assert!(score.right() >= right, "{part}: {:.3} right is below {right}", score.right());
        let alarms = score.false_alarms();
        assert!(alarms * 20 <= score.harmless.len(), "{part}: {alarms} of {} harmless ones raise an alarm", score.harmless.len());
    }
}

/// What was in the unit tests before there was a corpus: general experience, in our own words.
#[test]
fn bare_lines_without_a_header_are_judged_too() {
    let power = |file: &str, diff: &str| diff_power("change", &[file.to_owned()], Some(diff)).unwrap_or_default();
    for (file, diff) in [
        ("services/pay/handler.go", " \torder := build(cart)\n+\tif err := h.fraud.Check(ctx, order); err != nil {\n+\t\treturn err\n+\t}"),
        (
            "services/rates/store.go",
            " func (s *Store) Refresh() error {\n+\ts.mu.Lock()\n+\tdefer s.mu.Unlock()\n \tr, err := s.client.FetchRates()",
        ),
        ("services/report/views.py", "     rows = load(user)\n+    for row in rows:\n+        row.name = Item.objects.find(row.item_id)"),
        ("services/feed/state.go", "+var recent = map[string]Item{}\n+\trecent[id] = item"),
        ("pkg/http/client.go", "-\tMaxRetries: 2,\n-\tBackoff: 500 * time.Millisecond,\n+\tMaxRetries: 10,\n+\tBackoff: 0,"),
    ] {
        assert!(power(file, diff).power >= BAR, "{diff}: {:?}", power(file, diff));
    }
    for (file, diff) in [
        ("services/a/h.go", "-// Foo does a thing\n+// Foo does one thing and returns"),
        ("services/a/h.go", "-\treturn errors.New(\"bad input\")\n+\treturn errors.New(\"invalid input\")"),
        ("services/a/h.go", "-\tlogger.Info(\"done\")\n+\tlogger.Info(\"done\", \"route\", route)"),
        ("web/app.css", "-.a { padding: 8px }\n+.a { padding: 12px }"),
        ("docs/a.md", "-old\n+new"),
    ] {
        assert!(power(file, diff).power < BAR, "{diff}: {:?}", power(file, diff));
    }
}

#[test]
fn reasons_are_sentences_a_person_can_check() {
    let reason = |file: &str, diff: &str| diff_power("change", &[file.to_owned()], Some(diff)).map(|power| power.reason);
    let yaml = " pool:\n-  max_size: 40\n+  max_size: 8";
    assert_eq!(reason("config/production.yaml", yaml).as_deref(), Some("it lowered pool.max_size from 40 to 8"));
    assert_eq!(reason("db/1.sql", "+DROP INDEX a_idx;").as_deref(), Some("it drops an index"));
    assert_eq!(reason("deploy/staging/a.yaml", yaml).as_deref(), Some("it changes configuration of another environment only"));
    assert_eq!(reason("a.go", "-// a\n+// b").as_deref(), Some("it changes only comments or white space"));
}

#[test]
fn a_diff_too_long_to_read_is_not_called_harmless() {
    let long = format!("{}+x := 1\n", "+// a comment\n".repeat(5_000));
    let power = diff_power("docs in code", &["a.go".to_owned()], Some(&long)).unwrap();
    assert!(power.power >= 0.2 && power.reason.ends_with("as far as the diff was read"), "{power:?}");
}

/// Signs that the rules look for, so that random texts reach them.
const SIGNS: &str = "\n- + @@ --- +++ diff --git a/x b/x @@ -1,2 +1,3 @@ # // /* */ \"\"\" ' \" ` { } [ ] ( ) : = ; , % {{ }} 5m -1 9e9 ۵ é 🦀 . .. v1.2.3 \t  \
    for if try ALTER TABLE ADD NOT NULL DROP SELECT FROM WHERE AS ENV CMD -Xmx8g --a=b key: image: true \u{0} § … 1_0 0x1F )+ . _";

proptest::proptest! {
    #[test]
    fn no_text_makes_the_rules_fail(parts in proptest::collection::vec((0_usize..90, ".{0,6}"), 0..120), file in 0_usize..14) {
        const FILES: [&str; 14] =
            ["a.go", "A.java", "a.py", "a.ts", "a.rs", "a.sql", "a.yaml", "a.json", "a.toml", "Dockerfile", "a.tf", "go.mod", "a", "x.proto"];
        let signs: Vec<&str> = SIGNS.split(' ').collect();
        let text: String = parts.iter().map(|(sign, text)| format!("{}{text}", signs[sign % signs.len()])).collect();
        for text in [text.clone(), format!("-{text}\n+{}", text.replace('1', "2")), text.replace(' ', "\n+"), text.replace('(', "\n-")] {
            let power = diff_power(&text, &[FILES[file].to_owned()], Some(&text)).unwrap();
            proptest::prop_assert!((0.0..=1.0).contains(&power.power), "{power:?} of {text:?}");
            proptest::prop_assert!(!power.reason.is_empty(), "{text:?}");
        }
    }
}

/// AUC and share right that no later change may lose: a little below what was measured.
const FLOORS: [(&str, f64, f64); 4] =
    [("development", 0.98, 0.96), ("set aside", 0.96, 0.94), ("later", 0.95, 0.93), ("unseen", 0.96, 0.90)];
