//! Backup and restore, each with a check of the books.

use std::path::{Path, PathBuf};

use anyhow::Context as _;

use super::verify;
use crate::clock;
use crate::model::verify::Verdict;
use crate::store::{self, Location, Options, Progress};

/// Copies the database beside a running process into a new file, and checks the copy's pages and books.
///
/// # Errors
/// A copy that could not be made, or is damaged.
pub fn backup(options: &Options, target: &Path, progress: &mut Progress<'_>) -> anyhow::Result<Verdict> {
    if let Some(path) = options.path() {
        anyhow::ensure!(path.exists(), "there is no database {}; name one with store.path", path.display());
    }
    store::backup(options, target, progress).with_context(|| format!("backing up to {}", target.display()))?;
    check(target)
}

/// Puts a backup in the database's place; where the database that was there is kept, and what the books of the backup say.
///
/// # Errors
/// A running process, a backup that is damaged or of a newer version.
pub fn restore(options: &Options, from: &Path, progress: &mut Progress<'_>) -> anyhow::Result<(Option<PathBuf>, Verdict)> {
    let now = clock::now();
    let aside = format!("before-restore-{}", now.seconds());
    let kept = store::restore(options, from, &aside, progress).with_context(|| format!("restoring from {}", from.display()))?;
    let path = options.path().context("a database in memory cannot be restored")?;
    Ok((kept, check(path)?))
}

fn check(path: &Path) -> anyhow::Result<Verdict> {
    // Of an older schema the books are checked once a start has brought it up to date.
    let options = Options { location: Location::File(path.to_owned()), ..Options::default() };
    verify::database(&options)
}
