//! One look for every progress bar.

use indicatif::{ProgressBar, ProgressStyle};

/// A bar over `total` steps, on a terminal only; elsewhere nothing is drawn.
pub fn bar(total: u64) -> ProgressBar {
    let bar = ProgressBar::new(total);
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} {elapsed} (left {eta}) {msg}") {
        bar.set_style(style);
    }
    bar
}
