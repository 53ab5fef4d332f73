//! A process of the binary, with a folder of its own for settings and database.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

pub fn binary() -> Command {
    Command::new(env!("CARGO_BIN_EXE_whydunit"))
}

/// A drain that is cut short, or an answer refused because it took long, is another test's matter: a slow machine must not change what
/// is stored at an end or what a page shows.
const PATIENT: [(&str, &str); 2] = [("WHYDUNIT__PIPELINE__DRAIN_S", "100"), ("WHYDUNIT__WEB__TIMEOUT_MS", "60000")];

/// Settings and database of one or more processes.
pub struct Home {
    folder: TempDir,
    database: PathBuf,
}

impl Home {
    /// `settings` is the text of the settings file.
    pub fn new(settings: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("whydunit.db");
        Self::with_database(settings, folder, database)
    }

    /// With a database that lies elsewhere.
    pub fn with_database(settings: &str, folder: TempDir, database: PathBuf) -> Self {
        std::fs::write(folder.path().join("whydunit.toml"), settings).unwrap();
        Self { folder, database }
    }

    pub fn database(&self) -> &Path {
        &self.database
    }

    /// Other settings from the next start on.
    pub fn settings(&self, text: &str) {
        std::fs::write(self.folder.path().join("whydunit.toml"), text).unwrap();
    }

    /// The binary with a subcommand, these settings and this database.
    pub fn command(&self, subcommand: &str) -> Command {
        let mut command = binary();
        command.arg(subcommand).arg("--config").arg(self.folder.path().join("whydunit.toml"));
        command.current_dir(self.folder.path()).env("WHYDUNIT__STORE__PATH", &self.database);
        command
    }

    /// `run` on a machine that may be busy with other things.
    fn service(&self) -> Command {
        let mut command = self.command("run");
        command.envs(PATIENT);
        command
    }

    /// Starts `run` and waits until it says where it listens.
    pub fn run(&self) -> Run {
        Run::started(self.service(), None)
    }

    /// Starts `run` on a full disk: where that leaves no room to open the database there are probes and no page. [`Run::begun`]
    /// waits for the page.
    pub fn run_without_room(&self) -> Run {
        Run::spawned(self.service(), None, |line| addresses(line).or_else(|| probes(line)))
    }

    /// As [`Home::run`] with `--forget-state`.
    pub fn run_forgetting(&self) -> Run {
        let mut command = self.service();
        command.arg("--forget-state");
        Run::started(command, None)
    }

    /// As [`Home::run`] with more in its environment.
    pub fn run_with(&self, environment: &[(&str, &str)]) -> Run {
        let mut command = self.service();
        command.envs(environment.iter().copied());
        Run::started(command, None)
    }

    /// As [`Home::run`]; killed the moment it logs a line that `trap` wants.
    pub fn run_into(&self, trap: impl Fn(&str) -> bool + Send + 'static) -> Run {
        Run::started(self.service(), Some(Box::new(trap)))
    }

    /// The canonical export of what is stored, one JSON value a line.
    pub fn export(&self) -> String {
        let output = self.command("export").output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }
}

/// Asserts that two exports are the same, and shows what only one of them has.
pub fn assert_same_export(expected: &str, found: &str) {
    let only = |left: &str, right: &str| {
        let right: std::collections::HashSet<&str> = right.lines().collect();
        left.lines().filter(|line| !right.contains(line)).map(|line| line.chars().take(600).collect()).collect::<Vec<String>>()
    };
    let (missing, added) = (only(expected, found), only(found, expected));
    let first = |lines: &[String]| lines.iter().take(5).cloned().collect::<Vec<_>>().join("\n");
    assert!(
        expected == found,
        "{} lines of {} are missing, {} are new. Missing:\n{}\nNew:\n{}",
        missing.len(),
        expected.lines().count(),
        added.len(),
        first(&missing),
        first(&added)
    );
}

type Trap = Box<dyn Fn(&str) -> bool + Send>;

/// What a process has said on its standard error so far, shared with the thread that reads it.
#[derive(Default)]
struct Said {
    lines: Mutex<Vec<String>>,
    more: Condvar,
}

impl Said {
    fn push(&self, line: String) {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).push(line);
        self.more.notify_all();
    }

    /// The first line that `wanted` likes, once it is there.
    fn wait_for(&self, patience: Duration, wanted: impl Fn(&str) -> bool) -> Option<String> {
        let find = |lines: &[String]| lines.iter().find(|line| wanted(line)).cloned();
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        let (lines, _) =
            self.more.wait_timeout_while(lines, patience, |lines| find(lines).is_none()).unwrap_or_else(PoisonError::into_inner);
        find(&lines)
    }

    fn text(&self) -> String {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).concat()
    }
}

/// A running process; killed when dropped.
pub struct Run {
    child: Child,
    page: String,
    ops: String,
    said: Arc<Said>,
    reader: Option<std::thread::JoinHandle<()>>,
}

/// Long enough for a start on a busy machine.
const START: Duration = Duration::from_secs(120);

impl Run {
    fn started(command: Command, trap: Option<Trap>) -> Self {
        Self::spawned(command, trap, addresses)
    }

    /// Waits for a line in which `found` finds the addresses of page and probes.
    fn spawned(mut command: Command, trap: Option<Trap>, found: fn(&str) -> Option<(String, String)>) -> Self {
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let said = Arc::new(Said::default());
        let (stderr, pid) = (child.stderr.take().unwrap(), Pid::from_child(&child));
        let listener = said.clone();
        let reader = std::thread::spawn(move || listen(stderr, &listener, pid, trap));
        let run = Self { child, page: String::new(), ops: String::new(), said, reader: Some(reader) };
        run.at(found)
    }

    fn at(mut self, found: fn(&str) -> Option<(String, String)>) -> Self {
        let line = self.said.wait_for(START, |line| found(line).is_some());
        let Some((page, ops)) = line.as_deref().and_then(found) else {
            let _ = self.child.kill();
            panic!("did not start: {}", self.said());
        };
        (self.page, self.ops) = (page, ops);
        self
    }

    /// What had to wait, once it has begun.
    pub fn begun(self) -> Self {
        self.at(addresses)
    }

    pub fn id(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// False once it has ended, by itself or by a kill.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Everything it has written to standard error.
    pub fn said(&self) -> String {
        self.said.text()
    }

    /// Waits for a line it logs.
    pub fn wait_for_line(&self, patience: Duration, wanted: impl Fn(&str) -> bool) -> Option<String> {
        self.said.wait_for(patience, wanted)
    }

    /// Where page and API are.
    pub fn url(&self) -> String {
        format!("http://{}", self.page)
    }

    /// Where probes and metrics are.
    pub fn ops_url(&self) -> String {
        format!("http://{}", self.ops)
    }

    /// Where the page and the API are.
    pub fn address(&self) -> &str {
        &self.page
    }

    /// A JSON answer of the API; null while it cannot be had.
    pub fn api(&self, path: &str) -> serde_json::Value {
        serde_json::from_str(&get(&self.page, path)).unwrap_or_default()
    }

    /// The JSON answer to a write.
    pub fn post(&self, path: &str, body: &serde_json::Value) -> serde_json::Value {
        let request = ureq::post(format!("http://{}{path}", self.page)).config().http_status_as_error(false).build();
        request.send_json(body).ok().and_then(|mut answer| answer.body_mut().read_json().ok()).unwrap_or_default()
    }

    /// A text of the listener for probes and metrics.
    pub fn ops_text(&self, path: &str) -> String {
        ureq::get(format!("http://{}{path}", self.ops)).call().unwrap().body_mut().read_to_string().unwrap()
    }

    /// Tells the API to do something; the answer's status.
    pub fn order(&self, path: &str) -> u16 {
        let request = ureq::post(format!("http://{}{path}", self.page)).config().http_status_as_error(false).build();
        request.send_empty().unwrap().status().as_u16()
    }

    pub fn ops(&self, path: &str) -> serde_json::Value {
        serde_json::from_str(&get(&self.ops, path)).unwrap_or_default()
    }

    /// Value of the first sample of a metric whose line begins with `name`.
    pub fn metric(&self, name: &str) -> Option<f64> {
        let metrics = get(&self.ops, "/metrics");
        metrics.lines().find(|line| line.starts_with(name)).and_then(|line| line.rsplit(' ').next()?.parse().ok())
    }

    /// Whether the condition comes true in time, while the process lives.
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
        let state = || format!("{}\n{}\n{}", self.api("/api/v1/health"), self.api("/api/v1/connectors"), self.said());
        assert!(self.within(patience, condition), "not in {patience:?}: {what}\n{}", state());
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(self.id(), signal).unwrap();
    }

    /// `kill -9`; what it had said.
    pub fn killed(mut self) -> String {
        self.child.kill().unwrap();
        self.ended(START).1
    }

    /// Waits for its end, however that comes; what it said beside.
    pub fn ended(mut self, patience: Duration) -> (Option<ExitStatus>, String) {
        let deadline = Instant::now() + patience;
        let mut status = None;
        while status.is_none() && Instant::now() < deadline {
            status = self.child.try_wait().unwrap();
            if status.is_none() {
                std::thread::park_timeout(Duration::from_millis(20));
            }
        }
        if status.is_some()
            && let Some(reader) = self.reader.take()
        {
            // All it said is wanted, so its pipe is read to the end.
            let _ = reader.join();
        }
        (status, self.said())
    }

    /// SIGTERM; it must end by itself, well, with everything stored that it had read. How long it took.
    pub fn terminate(self) -> Duration {
        let (took, said) = self.told_to_end(START);
        assert!(!said.contains("not drained in time"), "after {took:?}: {said}");
        took
    }

    /// SIGTERM; it must end well, in time, whatever it could not store. How long it took.
    pub fn terminate_within(self, patience: Duration) -> Duration {
        self.told_to_end(patience).0
    }

    fn told_to_end(self, patience: Duration) -> (Duration, String) {
        let began = Instant::now();
        self.signal(Signal::TERM);
        let (status, said) = self.ended(patience);
        assert!(status.is_some_and(|status| status.success()), "ended with {status:?} after {:?}: {said}", began.elapsed());
        (began.elapsed(), said)
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads on until the pipe closes, so that it never fills; springs the trap between two lines.
fn listen(stderr: ChildStderr, said: &Said, pid: Pid, trap: Option<Trap>) {
    let mut lines = BufReader::new(stderr);
    let mut bytes = Vec::new();
    // A line cut by a kill is no failure.
    while lines.read_until(b'\n', &mut bytes).is_ok_and(|read| read > 0) {
        let line = String::from_utf8_lossy(&bytes).into_owned();
        if trap.as_ref().is_some_and(|trap| trap(&line)) {
            // It is not waited for before this thread ends, so the id is still its own.
            let _ = kill_process(pid, Signal::KILL);
        }
        said.push(line);
        bytes.clear();
    }
}

/// Page and metrics addresses of the line that names them.
fn addresses(line: &str) -> Option<(String, String)> {
    let found: Vec<_> =
        line.split("http://").skip(1).map(|rest| rest.split([',', '/', '\n']).next().unwrap_or_default().to_owned()).collect();
    match found.as_slice() {
        [page, ops] => Some((page.clone(), ops.clone())),
        _ => None,
    }
}

/// Where the probes are of one that has no page yet.
fn probes(line: &str) -> Option<(String, String)> {
    let (_, rest) = line.split_once("Probes at http://")?;
    Some((String::new(), rest.split('/').next()?.to_owned()))
}

fn get(address: &str, path: &str) -> String {
    let agent = ureq::Agent::config_builder().http_status_as_error(false).timeout_global(Some(START)).build().new_agent();
    let answer = agent.get(format!("http://{address}{path}")).call();
    answer.ok().and_then(|mut answer| answer.body_mut().read_to_string().ok()).unwrap_or_default()
}
