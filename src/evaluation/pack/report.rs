//! What loading a pack met: rows read, mended, refused, files left aside.

use std::collections::BTreeMap;

use serde::Serialize;

/// Examples kept of each kind of trouble.
const EXAMPLES_MAX: usize = 5;
/// Names of ignored files kept.
const IGNORED_MAX: usize = 50;

/// Counts of one kind of trouble, with where it first happened.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Trouble {
    pub rows: u64,
    /// `file:line`, the first five.
    pub examples: Vec<String>,
}

/// Nothing of a pack goes missing without being counted here.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LoadReport {
    pub spans: u64,
    pub log_lines: u64,
    /// Rows of metric files; each holds one value for every column.
    pub metric_rows: u64,
    pub metric_points: u64,
    /// Empty or NaN cells of metric files: the producer had no value.
    pub metric_blanks: u64,
    /// Rows kept after mending, by what was mended.
    pub repaired: BTreeMap<String, Trouble>,
    /// Rows left out, by why.
    pub malformed: BTreeMap<String, Trouble>,
    /// Files that are no part of the layout, the first 50.
    pub ignored_files: Vec<String>,
    pub ignored_files_total: u64,
}

impl LoadReport {
    pub(super) fn repair(&mut self, what: &str, file: &str, line: u64) {
        note(&mut self.repaired, what, file, line);
    }

    pub(super) fn refuse(&mut self, why: &str, file: &str, line: u64) {
        note(&mut self.malformed, why, file, line);
    }

    pub(super) fn ignore(&mut self, file: &str) {
        self.ignored_files_total += 1;
        if self.ignored_files.len() < IGNORED_MAX {
            self.ignored_files.push(file.to_owned());
        }
    }

    pub fn malformed_rows(&self) -> u64 {
        self.malformed.values().map(|trouble| trouble.rows).sum()
    }

    pub fn repaired_rows(&self) -> u64 {
        self.repaired.values().map(|trouble| trouble.rows).sum()
    }

    /// One line a fact, for a terminal.
    pub fn to_text(&self) -> String {
        let mut text = format!(
            "read {} spans, {} log lines, {} metric points ({} blank cells)\n",
            self.spans, self.log_lines, self.metric_points, self.metric_blanks
        );
        for (title, troubles) in [("mended", &self.repaired), ("left out", &self.malformed)] {
            for (what, trouble) in troubles {
                text += &format!("{title}: {} rows, {what} (first: {})\n", trouble.rows, trouble.examples.join(", "));
            }
        }
        if self.ignored_files_total > 0 {
            text += &format!("not part of the layout: {} files, such as {}\n", self.ignored_files_total, self.ignored_files[0]);
        }
        text
    }
}

fn note(troubles: &mut BTreeMap<String, Trouble>, what: &str, file: &str, line: u64) {
    let trouble = troubles.entry(what.to_owned()).or_default();
    trouble.rows += 1;
    if trouble.examples.len() < EXAMPLES_MAX {
        trouble.examples.push(format!("{file}:{line}"));
    }
}
