//! Whoever watches whydunit: its metrics as Prometheus reads them, the alerts of `docker/alerts.yml`, the dashboard for Grafana.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rusqlite::Connection;
use serde_json::Value;
use whydunit::kafka::Options;
use whydunit::kafka::producer::{OutgoingRecord, Producer};

use crate::support::kafka::KafkaServer;
use crate::support::ports::Port;
use crate::support::process::{Home, Run};
use crate::support::small_disk::SmallDisk;

const PATIENCE: Duration = Duration::from_secs(120);
/// It watches for defects that no user can bring about: promtool's own tests make it fire.
const DEFECTS: [&str; 1] = ["WhydunitRecordsUnaccounted"];

fn docker(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docker").join(file)
}

/// The rules with their patience cut short; each cut must find its place.
fn hurried_rules() -> String {
    let mut rules = std::fs::read_to_string(docker("alerts.yml")).unwrap();
    for (patient, hurried) in [("for: 10m", "for: 0s"), ("for: 5m", "for: 0s"), ("for: 2m", "for: 0s"), ("for: 1m", "for: 0s")]
        .into_iter()
        .chain([("[10m]", "[20s]"), ("> 900", "> 3"), ("unsaved_seconds > 60", "unsaved_seconds > 3")])
    {
        assert!(rules.contains(patient), "{patient}");
        rules = rules.replace(patient, hurried);
    }
    rules
}

fn alert_names(rules: &str) -> BTreeSet<String> {
    rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).map(str::to_owned).collect()
}

/// A real Prometheus that scrapes one process each second; killed when dropped.
struct Prometheus {
    child: Child,
    port: Port,
    _folder: tempfile::TempDir,
}

impl Prometheus {
    fn watching(target: &str, rules: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let settings = format!(
            "global: {{ scrape_interval: 1s, evaluation_interval: 1s }}\nrule_files: [rules.yml]\nscrape_configs:\n  - job_name: \
             whydunit\n    static_configs: [{{ targets: [\"{target}\"] }}]\n"
        );
        std::fs::write(folder.path().join("rules.yml"), rules).unwrap();
        std::fs::write(folder.path().join("prometheus.yml"), settings).unwrap();
        let port = Port::reserve();
        let log = std::fs::File::create(folder.path().join("log")).unwrap();
        let child = Command::new("prometheus")
            .arg(format!("--config.file={}", folder.path().join("prometheus.yml").display()))
            .arg(format!("--storage.tsdb.path={}", folder.path().join("data").display()))
            .arg(format!("--web.listen-address=127.0.0.1:{}", port.number()))
            .stderr(Stdio::from(log))
            .spawn()
            .expect("Prometheus; tests/support/install.sh test installs it");
        Self { child, port, _folder: folder }
    }

    fn get(&self, path: &str, query: &[(&str, &str)]) -> Value {
        let mut request = ureq::get(format!("http://127.0.0.1:{}/api/v1/{path}", self.port.number()));
        for (name, value) in query {
            request = request.query(name, value);
        }
        request.call().ok().and_then(|mut answer| answer.body_mut().read_json().ok()).unwrap_or_default()
    }

    fn query(&self, expression: &str) -> Value {
        self.get("query", &[("query", expression)])
    }

    /// Names of the alerts that fire now.
    fn firing(&self) -> BTreeSet<String> {
        let answer = self.get("alerts", &[]);
        let alerts = answer["data"]["alerts"].as_array().cloned().unwrap_or_default();
        let fires =
            |alert: &Value| alert["state"] == "firing" && alert["annotations"]["summary"].as_str().is_some_and(|text| !text.is_empty());
        alerts.iter().filter(|alert| fires(alert)).filter_map(|alert| alert["labels"]["alertname"].as_str().map(str::to_owned)).collect()
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What fired at any time.
#[derive(Default)]
struct Fired(BTreeSet<String>);

impl Fired {
    fn wait_for(&mut self, prometheus: &Prometheus, alerts: &[&str], again: impl Fn()) {
        let deadline = Instant::now() + PATIENCE;
        while !alerts.iter().all(|alert| self.0.contains(*alert)) {
            assert!(Instant::now() < deadline, "of {alerts:?} not all fired, only {:?}", self.0);
            again();
            self.0.extend(prometheus.firing());
            std::thread::park_timeout(Duration::from_millis(200));
        }
    }
}

struct Writer(Producer);

impl Writer {
    fn write(&self, topic: &str, values: impl IntoIterator<Item = String>) {
        for value in values {
            let value = Some(value.as_bytes());
            self.0.send(&OutgoingRecord { topic, partition: Some(0), key: None, value, headers: &[], timestamp: None }).unwrap();
        }
        self.0.flush(PATIENCE).unwrap();
    }
}

/// A line of a day ago, each ten seconds after the one before.
fn line(number: usize) -> String {
    let at = whydunit::clock::now().plus_seconds(10 * number as i64 - 86_400);
    format!(r#"{{"@timestamp":"{at}","level":"info","message":"line {number}","service":"cart"}}"#)
}

fn settings(server: &KafkaServer, ops: &str) -> String {
    let connector = |name: &str, source: &str| {
        format!("[connectors.{name}]\nsource = \"{source}\"\ntopics = [\"watched.{name}\"]\nstart = \"earliest\"\n")
    };
    let connectors = [("logs", "logs"), ("git", "git"), ("ci", "ci"), ("manual", "manual")].map(|(name, source)| connector(name, source));
    format!(
        "[kafka]\nbrokers = \"{}\"\n[kafka.batch]\nmax_records = 50\nqueue = 1\n[web]\nlisten = \"127.0.0.1:0\"\n[ops]\nlisten = \
         \"{ops}\"\n{}",
        server.brokers(),
        connectors.concat()
    )
}

/// Every query of the dashboard, as Grafana would send it.
fn dashboard_queries() -> Vec<(String, String)> {
    let dashboard: Value = serde_json::from_str(&std::fs::read_to_string(docker("grafana/whydunit.json")).unwrap()).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let queries = |panel: &Value| {
        let title = panel["title"].as_str().unwrap_or_default().to_owned();
        let targets = panel["targets"].as_array().cloned().unwrap_or_default();
        targets.into_iter().map(move |target| (title.clone(), target["expr"].as_str().unwrap().replace("$__rate_interval", "20s")))
    };
    panels.iter().flat_map(queries).collect()
}

fn assert_every_panel_shows_something(prometheus: &Prometheus, run: &Run) {
    let queries = dashboard_queries();
    assert!(queries.len() >= 20, "{}", queries.len());
    for (title, query) in queries {
        let shows =
            |answer: &Value| answer["status"] == "success" && answer["data"]["result"].as_array().is_some_and(|rows| !rows.is_empty());
        let found = run.within(PATIENCE, |_| shows(&prometheus.query(&query)));
        assert!(found, "{title}: {query}: {}", prometheus.query(&query));
    }
}

fn promtool(arguments: &[&str], input: &str) -> (bool, String) {
    let mut child = Command::new("promtool")
        .args(arguments)
        .current_dir(docker(""))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool; tests/support/install.sh test installs it");
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    (output.status.success(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
}

#[test]
fn the_rules_pass_their_own_tests_and_each_has_its_paragraph() {
    let (passed, said) = promtool(&["check", "rules", "alerts.yml"], "");
    assert!(passed, "{said}");
    let (passed, said) = promtool(&["test", "rules", "alerts.test.yml"], "");
    assert!(passed, "{said}");
    let read = |file: &str| std::fs::read_to_string(docker(file)).unwrap();
    let (rules, tests, book) = (read("alerts.yml"), read("alerts.test.yml"), read("RUNBOOK.md"));
    for name in alert_names(&rules) {
        assert!(tests.contains(&format!("alertname: {name}")), "{name} has no test");
        assert!(book.contains(&format!("## {name}\n")), "{name} has no paragraph");
        assert!(rules.contains(&format!("RUNBOOK.md#{}", name.to_lowercase())), "{name} does not name its paragraph");
    }
}

#[test]
fn every_alert_fires_on_a_real_prometheus_and_every_panel_shows_something() {
    let server = KafkaServer::shared();
    for name in ["logs", "git", "ci", "manual"] {
        server.create_topic(&format!("watched.{name}"), 1, &[]);
    }
    let writer = Writer(Producer::new(&Options { brokers: server.brokers(), ..Options::default() }, None).unwrap());
    writer.write("watched.logs", (0..10).map(line));
    let disk = SmallDisk::mount(64);
    let port = Port::reserve();
    let ops = format!("127.0.0.1:{}", port.number());
    let settings = settings(server, &ops);
    let home = match &disk {
        Some(disk) => Home::with_database(&settings, tempfile::tempdir().unwrap(), disk.database()),
        None => Home::new(&settings),
    };
    let run = home.run();
    let rules = hurried_rules();
    let prometheus = Prometheus::watching(&ops, &rules);
    run.wait_until("the first lines are read", PATIENCE, |run| run.metric("whydunit_items_total{connector=\"logs\"").is_some());
    run.wait_until("Prometheus reads", PATIENCE, |_| prometheus.query("whydunit_ready == 1")["data"]["result"][0].is_object());
    let mut fired = Fired::default();
    assert!(!prometheus.firing().contains("WhydunitDown"));

    // What a person does, and what producers do.
    assert!(run.order("/api/v1/connectors/manual/pause") < 300);
    run.post("/api/v1/connectors/ci/trip", &serde_json::json!({ "reason": "to see the alert" }));
    fired.wait_for(&prometheus, &["WhydunitSourcePaused", "WhydunitBreakerOpen", "WhydunitSourceSilent"], || {});
    let garbage = || writer.write("watched.git", ["no JSON".to_owned()]);
    fired.wait_for(&prometheus, &["WhydunitDeadLettersGrowing"], garbage);
    let (clean, said) = promtool(&["check", "metrics"], &run.ops_text("/metrics"));
    assert!(clean && said.trim().is_empty(), "{said}");

    // Retention removes records while it is away.
    run.terminate();
    writer.write("watched.logs", (10..30).map(line));
    server.delete_records("watched.logs", 0, 25);
    fired.wait_for(&prometheus, &["WhydunitDown"], || {});
    let run = home.run();
    fired.wait_for(&prometheus, &["WhydunitRecordsMissed"], || {});
    garbage();
    assert_every_panel_shows_something(&prometheus, &run);

    // The disk fills up.
    if let Some(disk) = &disk {
        disk.fill(5_000);
        fired.wait_for(&prometheus, &["WhydunitDiskAlmostFull"], || {});
        disk.make_room();
    }

    // Nothing can be stored, while more and more comes.
    let other = Connection::open(home.database()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    writer.write("watched.logs", (30..5_000).map(line));
    fired.wait_for(&prometheus, &["WhydunitNotReady", "WhydunitCheckpointOld", "WhydunitLag"], || {});
    other.execute_batch("ROLLBACK").unwrap();
    run.wait_until("it is ready again", PATIENCE, |run| run.metric("whydunit_ready") == Some(1.0));
    run.terminate();

    let mut expected = alert_names(&rules);
    expected.retain(|name| !DEFECTS.contains(&name.as_str()) && (disk.is_some() || name != "WhydunitDiskAlmostFull"));
    assert!(expected.is_subset(&fired.0), "{:?}", expected.difference(&fired.0));
}
