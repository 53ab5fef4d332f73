//! `whydunit backup`: a whole copy of the database, taken while it runs.

use std::path::PathBuf;

use super::progress;
use crate::app::copies;

/// Copies the database of this moment into a new file, while whydunit runs or not.
///
/// The copy is one file. It is looked through for damage, and its books are checked like `whydunit verify` does. A file that is
/// there already is never overwritten. `whydunit restore FILE` puts it back; what came after it is read again from Kafka.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    settings: super::SettingsFrom,
    /// The file to make.
    #[arg(value_name = "FILE")]
    to: PathBuf,
}

/// # Errors
/// A copy that could not be made, is damaged, or whose books do not close.
pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let settings = arguments.settings.load()?;
    let bar = progress::bar(0);
    let verdict = copies::backup(&settings.store, &arguments.to, &mut |done, total| {
        bar.set_length(total);
        bar.set_position(done);
    })?;
    bar.finish_and_clear();
    let bytes = std::fs::metadata(&arguments.to)?.len();
    println!("{}: {:.1} MiB, checkpoint {}", arguments.to.display(), bytes as f64 / 1_048_576.0, verdict.epoch);
    super::verify::conclude(&verdict, "the copy is whole and was kept, but")
}
