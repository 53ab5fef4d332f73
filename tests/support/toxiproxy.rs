//! toxiproxy between whydunit and a broker: connections that are cut, slow, silent, or slow to close.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::ports::Port;

const START_DEADLINE: Duration = Duration::from_secs(120);

/// What a connection suffers, on the way from the broker.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Toxic {
    /// Every answer waits so long, more or less `jitter_ms`.
    Latency { ms: u32, jitter_ms: u32 },
    /// No more than so many KB a second.
    Bandwidth { kb: u32 },
    /// Answers come in small pieces.
    Slicer { bytes: u32 },
    /// Nothing comes any more, and nothing is closed.
    Silence,
    /// TCP reset so long after the connection opened.
    Reset { after_ms: u32 },
    /// A closed connection looks open so long.
    SlowClose { ms: u32 },
}

impl Toxic {
    fn order(self) -> Value {
        let (kind, attributes) = match self {
            Self::Latency { ms, jitter_ms } => ("latency", json!({ "latency": ms, "jitter": jitter_ms })),
            Self::Bandwidth { kb } => ("bandwidth", json!({ "rate": kb })),
            Self::Slicer { bytes } => ("slicer", json!({ "average_size": bytes, "size_variation": bytes / 2, "delay": 100 })),
            Self::Silence => ("timeout", json!({ "timeout": 0 })),
            Self::Reset { after_ms } => ("reset_peer", json!({ "timeout": after_ms })),
            Self::SlowClose { ms } => ("slow_close", json!({ "delay": ms })),
        };
        json!({ "name": kind, "type": kind, "stream": "downstream", "toxicity": 1.0, "attributes": attributes })
    }
}

/// A running proxy with one way through it. It ends with the value, and with the test process however that ends.
pub struct Toxiproxy {
    shell: Child,
    orders: Option<ChildStdin>,
    api: String,
    _api_port: Port,
    listen_port: Port,
}

impl Toxiproxy {
    /// Starts it with nothing behind it yet: [`Toxiproxy::lead_to`] says what.
    pub fn start() -> Self {
        let (api_port, listen_port) = (Port::reserve(), Port::reserve());
        let script = format!(
            "'{}' -host 127.0.0.1 -port {} </dev/null & proxy=$!; read -r order; kill -9 $proxy; wait $proxy",
            installed().display(),
            api_port.number()
        );
        let mut shell = Command::new("sh")
            .args(["-c", &script])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("sh runs");
        let orders = shell.stdin.take();
        let proxy = Self { shell, orders, api: format!("http://127.0.0.1:{}", api_port.number()), _api_port: api_port, listen_port };
        let deadline = Instant::now() + START_DEADLINE;
        while ureq::get(format!("{}/version", proxy.api)).call().is_err() {
            assert!(Instant::now() < deadline, "toxiproxy did not come up");
            std::thread::park_timeout(Duration::from_millis(20));
        }
        proxy
    }

    /// Where clients connect.
    pub fn port(&self) -> u16 {
        self.listen_port.number()
    }

    /// The same as clients write it.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port())
    }

    /// Opens the way to this address.
    pub fn lead_to(&self, upstream: &str) {
        let listen = self.address();
        self.order("/proxies", &json!({ "name": "broker", "listen": listen, "upstream": upstream, "enabled": true }));
    }

    /// Closes all connections and takes no new ones.
    pub fn cut(&self) {
        self.order("/proxies/broker", &json!({ "enabled": false }));
    }

    pub fn add(&self, toxic: Toxic) {
        self.order("/proxies/broker/toxics", &toxic.order());
    }

    /// All is well again.
    pub fn heal(&self) {
        self.order("/reset", &json!({}));
    }

    fn order(&self, path: &str, body: &Value) {
        let answer = ureq::post(format!("{}{path}", self.api)).send_json(body);
        assert!(answer.is_ok(), "toxiproxy refuses {path} {body}: {answer:?}");
    }
}

impl Drop for Toxiproxy {
    fn drop(&mut self) {
        // Its standard input ends, and that ends it.
        drop(self.orders.take());
        let _ = self.shell.wait();
    }
}

/// The server, installed if it is not there.
fn installed() -> &'static Path {
    static SERVER: OnceLock<PathBuf> = OnceLock::new();
    SERVER.get_or_init(|| {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let installed = Command::new("sh").arg(root.join("tests/support/install-toxiproxy.sh")).status().expect("sh runs");
        assert!(installed.success(), "toxiproxy was not installed; see tests/support/install-toxiproxy.sh");
        root.join(".tools/toxiproxy/server")
    })
}
