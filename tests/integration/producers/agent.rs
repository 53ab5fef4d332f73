//! Somebody else's program, running for as long as a test.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

/// Where `tests/support/install.sh producers` puts what it builds.
pub fn installed(program: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(".tools/producers").join(program);
    assert!(path.is_file(), "{} is missing: run tests/support/install.sh producers", path.display());
    path
}

/// A shell owns it, which kills it when its standard input ends: it does not outlive the test, however that ends.
pub struct Agent {
    shell: Child,
    orders: Option<ChildStdin>,
}

impl Agent {
    /// `program` with its arguments, as a shell takes them.
    pub fn start(program: &str) -> Self {
        let script = format!("{program} </dev/null & agent=$!; read -r order; kill -${{order:-KILL}} $agent; wait $agent; exit 0");
        let mut shell = Command::new("sh").args(["-c", &script]).stdin(Stdio::piped()).spawn().expect("sh runs");
        let orders = shell.stdin.take();
        Self { shell, orders }
    }

    /// Tells it to end, and waits until it has: what it holds back it sends first.
    pub fn end(mut self) {
        let mut orders = self.orders.take().expect("it was not ended yet");
        writeln!(orders, "TERM").expect("the shell listens");
        self.shell.wait().expect("the shell ends");
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        drop(self.orders.take());
        let _ = self.shell.wait();
    }
}

/// Waits until a condition holds.
pub fn until(what: &str, patience: Duration, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + patience;
    while !condition() {
        assert!(Instant::now() < deadline, "not in {patience:?}: {what}");
        std::thread::park_timeout(Duration::from_millis(100));
    }
}
