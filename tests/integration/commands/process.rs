//! A process of the binary, with a folder of its own for settings and database.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

pub fn binary() -> Command {
    Command::new(env!("CARGO_BIN_EXE_whydunit"))
}

/// Settings and database of one or more processes.
pub struct Home {
    folder: TempDir,
}

impl Home {
    /// `settings` is the text of the settings file.
    pub fn new(settings: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("whydunit.toml"), settings).unwrap();
        Self { folder }
    }

    /// The binary with a subcommand, these settings and this database.
    pub fn command(&self, subcommand: &str) -> Command {
        let mut command = binary();
        command.arg(subcommand).arg("--config").arg(self.folder.path().join("whydunit.toml"));
        command.current_dir(self.folder.path()).env("WHYDUNIT__STORE__PATH", self.folder.path().join("whydunit.db"));
        command
    }

    /// Starts `run` and waits until it says where it listens.
    pub fn run(&self) -> Run {
        self.run_with(&[])
    }

    /// [`Home::run`] with more in its environment.
    pub fn run_with(&self, environment: &[(&str, &str)]) -> Run {
        let mut child = self.command("run").envs(environment.iter().copied()).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap());
        let (mut said, mut page, mut ops) = (String::new(), String::new(), String::new());
        while page.is_empty() {
            let mut line = String::new();
            assert!(lines.read_line(&mut line).unwrap() > 0, "ended at its start: {said}");
            let addresses: Vec<_> =
                line.split("http://").skip(1).map(|rest| rest.split([',', '/', '\n']).next().unwrap().to_owned()).collect();
            if let [first, second] = addresses.as_slice() {
                (page, ops) = (first.clone(), second.clone());
            }
            said += &line;
        }
        // What it says later must not fill the pipe.
        let rest = std::thread::spawn(move || {
            let mut text = String::new();
            // Lines cut by a kill are no failure.
            let _ = lines.read_to_string(&mut text);
            text
        });
        Run { child, page, ops, rest: Some(rest) }
    }
}

/// A running process; killed when dropped.
pub struct Run {
    child: Child,
    page: String,
    ops: String,
    rest: Option<std::thread::JoinHandle<String>>,
}

impl Run {
    /// A JSON answer of the API; null while it cannot be had.
    pub fn api(&self, path: &str) -> serde_json::Value {
        get(&self.page, path)
    }

    pub fn ops(&self, path: &str) -> serde_json::Value {
        get(&self.ops, path)
    }

    /// Whether the condition comes true in time.
    pub fn within(&self, patience: Duration, condition: impl Fn(&Self) -> bool) -> bool {
        let deadline = Instant::now() + patience;
        while Instant::now() < deadline {
            if condition(self) {
                return true;
            }
            std::thread::park_timeout(Duration::from_millis(50));
        }
        false
    }

    pub fn wait_until(&self, what: &str, patience: Duration, condition: impl Fn(&Self) -> bool) {
        let state = || format!("{}\n{}", self.api("/api/v1/health"), self.api("/api/v1/connectors"));
        assert!(self.within(patience, condition), "not in {patience:?}: {what}\n{}", state());
    }

    /// `kill -9`.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// `kill -9`; what it had said.
    pub fn killed(mut self) -> String {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.rest.take().map(|rest| rest.join().unwrap()).unwrap_or_default()
    }

    /// SIGTERM; it must end by itself, well.
    pub fn terminate(mut self) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
        let status = self.child.wait().unwrap();
        let said = self.rest.take().map(|rest| rest.join().unwrap()).unwrap_or_default();
        assert!(status.success(), "ended with {status}: {said}");
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn get(address: &str, path: &str) -> serde_json::Value {
    let answer = ureq::get(format!("http://{address}{path}")).config().http_status_as_error(false).build().call();
    answer.ok().and_then(|mut answer| answer.body_mut().read_json().ok()).unwrap_or_default()
}
