//! Reads `tests/scenarios/*/expected.toml`: what should be found.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

/// What an investigation of a fault should find; the keys are explained in the folder's README.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expected {
    pub fault: String,
    pub root_cause: Option<String>,
    pub host: Option<String>,
    #[serde(default)]
    pub accept: Vec<String>,
    pub change: String,
    #[allow(dead_code)] // the simulator's own tests read it, the engine's do not
    pub onset_before_end_s: u32,
    pub open_within_s: u32,
}

impl Expected {
    /// Whether a service or host is a right answer.
    pub fn accepts(&self, name: &str) -> bool {
        self.root_cause.as_deref() == Some(name)
            || self.host.as_deref() == Some(name)
            || self.accept.iter().any(|accepted| accepted == name)
    }

    /// Whether naming this change, which begins with its short hash, or none, is right.
    pub fn accepts_change(&self, named: Option<&str>) -> bool {
        match named.and_then(|named| named.split(' ').next()) {
            Some(sha) => self.change != "none" && sha.len() >= 7 && (self.change.starts_with(sha) || sha.starts_with(&self.change)),
            None => self.change == "none",
        }
    }
}

/// All scenarios, in the order of their names.
pub fn scenarios() -> Result<Vec<Expected>, String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios");
    let entries = fs::read_dir(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let mut files: Vec<PathBuf> =
        entries.filter_map(|entry| Some(entry.ok()?.path().join("expected.toml"))).filter(|file| file.is_file()).collect();
    files.sort();
    files.iter().map(|file| read(file)).collect()
}

fn read(file: &Path) -> Result<Expected, String> {
    let text = fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
    toml::from_str(&text).map_err(|error| format!("{}: {error}", file.display()))
}
