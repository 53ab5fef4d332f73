//! Can this diff change behaviour at all, and how much: 0 to 1, with the reason. Rules of general engineering experience, by kind of
//! file and family of languages; no parser, bounded work, the strongest rule decides.
//!
//! A diff is cut into files ([`patch`]), each file's path says what it can reach and how it reads ([`file`]). Programs are freed of comments,
//! logging, imports ([`code`]), moves, layout and renames ([`cancel`]); what is left is judged by its literals ([`literal`]) and its
//! structure ([`structure`], [`guards`]). Settings are compared by key path ([`settings`], [`meaning`], [`value`], [`arguments`]), migrations by
//! statement ([`sql`]), images by instruction ([`dockerfile`]), dependencies by version ([`dependency`]). A flag or setting
//! that a service reports without a diff is judged by the values it tells ([`told`]).

mod arguments;
mod cancel;
mod code;
mod dependency;
mod dockerfile;
mod file;
mod guards;
mod literal;
mod meaning;
mod patch;
mod settings;
mod sql;
mod structure;
mod told;
mod value;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use cancel::Hunks;
use code::lines_of;
use file::{Language, Role, language, role};
use patch::{FileDiff, Patch};

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

    /// The first of the most powerful.
    fn strongest(found: Vec<Self>) -> Self {
        found.into_iter().reduce(|best, next| if next.power > best.power { next } else { best }).unwrap_or_default()
    }

    /// At most so powerful, for this reason.
    fn at_most(self, power: f64, reason: &str) -> Self {
        if self.power > power { Self::new(power, reason) } else { self }
    }
}

/// A line without its white space.
fn squeeze(line: &str) -> String {
    line.split_whitespace().collect()
}

/// Files of a change that are judged; a change of more is a bulk edit, whose first files stand for it.
const MAX_FILES: usize = 60;

/// Power of a change; `None` when nothing is known of it but a message that tells no values.
pub fn diff_power(message: &str, files: &[String], diff: Option<&str>) -> Option<DiffPower> {
    let roles: Vec<Role> = files.iter().take(200).map(|file| role(file)).collect();
    let all = |are: &[Role]| !roles.is_empty() && roles.iter().all(|role| are.contains(role));
    if all(&[Role::Inert]) || diff.is_none() && is_said_to_be_inert(message) {
        return Some(DiffPower::new(0.02, "it changes only documentation, tests or style"));
    }
    if all(&[Role::OtherEnvironment, Role::Inert]) {
        return Some(DiffPower::new(0.02, "it changes configuration of another environment only"));
    }
    if diff.is_none() && all(&[Role::Asset, Role::Inert, Role::Watching, Role::Generated]) {
        return Some(DiffPower::new(0.1, "it changes static assets only"));
    }
    let Some(diff) = diff else { return told::told_power(message) };
    // A diff without file names is of the first file that can act.
    let acting = roles.iter().position(|role| matches!(role, Role::Program | Role::Dependencies)).unwrap_or(0);
    let path = files.get(acting).map_or("", String::as_str);
    let patch = Patch::of(diff, path);
    let powers = patch.files.iter().take(MAX_FILES).map(file_power).collect();
    let mut best = DiffPower::strongest(powers);
    if best.reason.is_empty() {
        best = DiffPower::new(0.02, "it changes nothing that can be read");
    }
    if patch.is_cut || patch.files.len() > MAX_FILES {
        // What was not read can do anything a small code change can.
        best.power = best.power.max(0.2);
        best.reason.push_str(", as far as the diff was read");
    }
    Some(best)
}

/// `docs:`, `test(cart):` and the like (conventionalcommits.org), believed only where no diff says otherwise.
fn is_said_to_be_inert(message: &str) -> bool {
    let kind: String = message.chars().take_while(|letter| letter.is_ascii_alphabetic()).flat_map(char::to_lowercase).collect();
    message[kind.len().min(message.len())..].starts_with([':', '(']) && matches!(kind.as_str(), "docs" | "test" | "tests" | "style" | "ci")
}

fn file_power(file: &FileDiff<'_>) -> DiffPower {
    let language = language(file.path);
    let role = role(file.path);
    match role {
        Role::Inert => return DiffPower::new(0.02, "it changes only documentation, tests or style"),
        Role::OtherEnvironment => return DiffPower::new(0.02, "it changes configuration of another environment only"),
        Role::Watching => return DiffPower::new(0.05, "it changes only what watches the system"),
        Role::Asset => return DiffPower::new(0.1, "it changes static assets only"),
        Role::TakesBack => return DiffPower::new(0.05, "it runs only when a migration is taken back"),
        Role::Dependencies | Role::Generated | Role::Program => {}
    }
    let lines = lines_of(file, language);
    if role == Role::Dependencies {
        return dependency::dependency_power(&lines, file);
    }
    let power = match language {
        Language::Proto => proto_power(&Hunks::of(&lines, language)),
        Language::Tree | Language::Flat => settings::settings_power(&lines, file, language),
        Language::Dockerfile => dockerfile::dockerfile_power(&lines),
        Language::Sql => {
            let hunks = Hunks::of(&lines, language);
            sql::sql_power(&lines, &hunks.minus, &hunks.plus, file.is_new)
        }
        _ => {
            let hunks = Hunks::of(&lines, language);
            let literal = literal::literal_power(&hunks);
            let structural = structure::structural_power(&hunks, language);
            let migration = embedded_sql(&hunks);
            DiffPower::strongest(vec![literal, structural, migration])
        }
    };
    let by_hand = file.hunks.iter().flat_map(|hunk| hunk.lines.iter().map(|line| line.text).chain([hunk.section]));
    let generated = role == Role::Generated || by_hand.take(400).any(|line| line.contains("DO NOT EDIT") || line.contains("@generated"));
    if generated { power.at_most(0.1, "it changes only what a program wrote") } else { power }
}

/// Numbers and types of fields are what other programs read (protobuf.dev, updating a message type).
fn proto_power(hunks: &Hunks<'_>) -> DiffPower {
    // Name → type and number.
    let fields = |lines: &[&str]| -> BTreeMap<String, String> {
        let split = |line: &&str| {
            let (left, number) = line.split_once('=')?;
            let name = left.split_whitespace().last()?.to_owned();
            Some((
                name.clone(),
                format!("{} = {}", left.trim().trim_end_matches(name.as_str()).trim(), number.trim().trim_end_matches(';')),
            ))
        };
        lines.iter().filter_map(split).collect()
    };
    let (before, after) = (fields(&hunks.minus), fields(&hunks.plus));
    let found = before.iter().map(|(name, old)| match after.get(name) {
        Some(new) => DiffPower::new(0.7, &format!("it changes the field {name} from {old} to {new}")),
        None => DiffPower::new(0.5, &format!("it removes the field {name}")),
    });
    let kept = DiffPower::new(if hunks.plus.is_empty() && hunks.minus.is_empty() { 0.02 } else { 0.1 }, "it adds what old readers skip");
    DiffPower::strongest(found.chain([kept]).collect())
}

/// Schema changes written in a program: migrations of frameworks.
fn embedded_sql(hunks: &Hunks<'_>) -> DiffPower {
    const CALLS: [(&str, f64, &str); 9] = [
        ("DROP INDEX", 0.7, "it drops an index"),
        ("drop_index(", 0.7, "it drops an index"),
        ("remove_index ", 0.7, "it drops an index"),
        ("RemoveField(", 0.7, "it drops a column"),
        ("drop_column(", 0.7, "it drops a column"),
        ("remove_column ", 0.7, "it drops a column"),
        ("RenameField(", 0.7, "it renames what running code asks for"),
        ("ALTER TABLE", 0.6, "it changes the database schema"),
        ("DROP TABLE", 0.7, "it drops a table"),
    ];
    let body = hunks.plus.join("\n");
    CALLS.iter().find(|(call, ..)| body.contains(call)).map_or_else(DiffPower::default, |(_, power, reason)| DiffPower::new(*power, reason))
}
