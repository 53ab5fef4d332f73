//! Can this diff change behaviour at all, and how much: 0 to 1, with the reason. Rules of general engineering experience,
//! no parser: they know Go, YAML and SQL best.

#[cfg(test)]
mod tests;

use super::literal::literal_power;
use super::structure::structural_power;

/// How much a change can alter behaviour.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DiffPower {
    /// 0 to 1.
    pub power: f64,
    /// As the end of a sentence: "it lowered pool.max_connections from 40 to 8".
    pub reason: String,
    /// `pool.max_connections: 40 → 8`.
    pub hint: Option<String>,
    /// New literals as written.
    pub literals: Vec<String>,
}

impl DiffPower {
    pub fn new(power: f64, reason: &str) -> Self {
        Self { power, reason: reason.to_owned(), ..Self::default() }
    }
}

/// The changed lines of a diff, without those that only moved or changed their white space.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Hunks<'a> {
    pub minus: Vec<&'a str>,
    pub plus: Vec<&'a str>,
    pub context: Vec<&'a str>,
    /// Every line that is there after the change, in order; true for added ones.
    pub after: Vec<(&'a str, bool)>,
}

impl<'a> Hunks<'a> {
    fn of(diff: &'a str) -> Self {
        let mut hunks = Self::default();
        for line in diff.lines().filter(|line| !line.starts_with("+++ ") && !line.starts_with("--- ") && !line.starts_with("diff ")) {
            if let Some(line) = line.strip_prefix('-') {
                hunks.minus.push(line);
            } else if let Some(line) = line.strip_prefix('+') {
                hunks.plus.push(line);
                hunks.after.push((line, true));
            } else if !line.starts_with("@@") {
                hunks.context.push(line);
                hunks.after.push((line, false));
            }
        }
        let squeezed = |lines: &[&str]| -> std::collections::BTreeSet<String> { lines.iter().map(|line| squeeze(line)).collect() };
        let (minus, plus) = (squeezed(&hunks.minus), squeezed(&hunks.plus));
        hunks.minus.retain(|line| !plus.contains(&squeeze(line)));
        hunks.plus.retain(|line| !minus.contains(&squeeze(line)));
        hunks
    }
}

/// A line without its white space.
pub fn squeeze(line: &str) -> String {
    line.split_whitespace().collect()
}

fn is_documentation(file: &str) -> bool {
    const FOLDERS: [&str; 9] = ["doc", "docs", "test", "tests", "testdata", "__tests__", ".github", ".circleci", "examples"];
    const ENDINGS: [&str; 6] = [".md", ".rst", ".txt", ".golangci.yml", ".editorconfig", ".gitignore"];
    let lower = file.to_ascii_lowercase();
    let name = lower.rsplit('/').next().unwrap_or_default();
    lower.rsplit('/').skip(1).any(|folder| FOLDERS.contains(&folder))
        || ENDINGS.iter().any(|ending| name.ends_with(ending))
        || name.split('.').next().is_some_and(|stem| stem.ends_with("_test") || stem == "license" || stem == "codeowners")
}

fn is_asset(file: &str) -> bool {
    [".css", ".scss", ".svg", ".png", ".html", ".tmpl", ".less"].iter().any(|ending| file.to_ascii_lowercase().ends_with(ending))
}

fn is_other_environment(file: &str) -> bool {
    file.split('/').rev().skip(1).any(|folder| matches!(folder, "staging" | "dev" | "sandbox"))
}

fn is_dependency_file(file: &str) -> bool {
    const NAMES: [&str; 10] = [
        "go.mod",
        "go.sum",
        "package.json",
        "package-lock.json",
        "yarn.lock",
        "cargo.toml",
        "cargo.lock",
        "requirements.txt",
        "poetry.lock",
        "pom.xml",
    ];
    NAMES.contains(&file.to_ascii_lowercase().rsplit('/').next().unwrap_or_default())
}

/// Power of a change; `None` when nothing is known of it but its message.
pub fn diff_power(message: &str, files: &[String], diff: Option<&str>) -> Option<DiffPower> {
    let all = |is: fn(&str) -> bool| !files.is_empty() && files.iter().all(|file| is(file));
    let kind: String = message.chars().take_while(|letter| letter.is_ascii_alphabetic()).flat_map(char::to_lowercase).collect();
    let conventional = message[kind.len().min(message.len())..].starts_with([':', '(']);
    if all(is_documentation) || (conventional && matches!(kind.as_str(), "docs" | "test" | "tests" | "style" | "ci")) {
        return Some(DiffPower::new(0.02, "it changes only documentation, tests or style"));
    }
    if all(is_other_environment) {
        return Some(DiffPower::new(0.02, "it changes configuration of another environment only"));
    }
    if all(|file| is_asset(file) || is_documentation(file)) {
        return Some(DiffPower::new(0.1, "it changes static assets only"));
    }
    let hunks = Hunks::of(diff?);
    if all(is_dependency_file) {
        return Some(DiffPower::new(dependency_power(&hunks), "it updates dependencies"));
    }
    let literal = literal_power(&hunks.minus, &hunks.plus);
    let structural = structural_power(&hunks);
    Some(if literal.power >= structural.power { literal } else { structural })
}

/// A new major version may break, a minor one less, a patch hardly.
fn dependency_power(hunks: &Hunks<'_>) -> f64 {
    let mut power: f64 = 0.1;
    for before in hunks.minus.iter().filter_map(|line| dependency(line)) {
        for after in hunks.plus.iter().filter_map(|line| dependency(line)).filter(|after| after.0 == before.0) {
            power = power.max(if before.1[0] != after.1[0] {
                0.6
            } else if before.1[1] != after.1[1] && before.1[0] != 0 {
                0.2
            } else {
                0.1
            });
        }
    }
    power
}

/// Name and version of a dependency line.
fn dependency(line: &str) -> Option<(String, [u64; 3])> {
    let mut parts = line.split(|letter: char| letter.is_whitespace() || "\"':=^~,<>".contains(letter)).filter(|part| !part.is_empty());
    let name = parts.next()?.to_owned();
    let version = parts.find_map(|part| {
        let numbers: Vec<u64> = part.trim_start_matches('v').split('.').map_while(|number| number.parse().ok()).collect();
        <[u64; 3]>::try_from(numbers.get(..3)?).ok()
    })?;
    Some((name, version))
}
