//! The page in a real browser: its own stories over a stand-in server that can be made to fail, and one over the real binary.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

fn canvas() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/web/canvas")
}

/// Runs one script of the page's package and fails with what it wrote.
fn npm(script: &str, environment: &[(&str, &str)]) {
    assert!(
        canvas().join("node_modules").is_dir(),
        "src/web/canvas/node_modules is missing: `make test` installs what the page needs (npm ci), then runs this again"
    );
    let mut command = Command::new("npm");
    command.args(["run", "--silent", script]).current_dir(canvas()).envs(environment.iter().copied());
    let ended = command.output().expect("npm starts; it comes with Node.js 20 or newer");
    let said = format!("{}{}", String::from_utf8_lossy(&ended.stdout), String::from_utf8_lossy(&ended.stderr));
    assert!(ended.status.success(), "npm run {script} failed:\n{said}");
    println!("{said}");
}

/// Builds the page once, whichever test comes first; the build refuses types older than the contract.
fn build() {
    static BUILT: OnceLock<()> = OnceLock::new();
    BUILT.get_or_init(|| npm("build", &[]));
}

#[test]
fn the_page_is_built_and_holds_in_a_real_browser() {
    build();
    npm("test", &[]);
    npm("e2e", &[]);
}

#[test]
fn a_person_finds_the_cause_on_the_page_of_the_running_binary() {
    build();
    npm("e2e:running", &[("WHYDUNIT", env!("CARGO_BIN_EXE_whydunit"))]);
}
