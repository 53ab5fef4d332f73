//! The page in a real browser: its own stories, run by its own test runner.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::path::{Path, PathBuf};
use std::process::Command;

fn canvas() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/web/canvas")
}

/// Runs one script of the page's package and gives what it wrote.
fn npm(script: &str) -> (bool, String) {
    assert!(
        canvas().join("node_modules").is_dir(),
        "src/web/canvas/node_modules is missing: `make test` installs what the page needs (npm ci), then runs this again"
    );
    let ended = Command::new("npm").args(["run", "--silent", script]).current_dir(canvas()).output();
    let ended = ended.expect("npm starts; it comes with Node.js 20 or newer");
    let said = format!("{}{}", String::from_utf8_lossy(&ended.stdout), String::from_utf8_lossy(&ended.stderr));
    (ended.status.success(), said)
}

#[test]
fn the_page_is_built_and_holds_in_a_real_browser() {
    for script in ["build", "test", "e2e"] {
        let (succeeded, said) = npm(script);
        assert!(succeeded, "npm run {script} failed:\n{said}");
    }
}
