//! A real Apache Kafka broker, owned by a test.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod certificates;

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use rdkafka::admin::{AdminClient, AdminOptions, NewPartitions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::metadata::MetadataPartition;
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::ports::Port;

pub use certificates::Certificates;

/// Kafka needs a few seconds; a busy machine many times that.
const START_DEADLINE: Duration = Duration::from_secs(180);
/// Longest wait for one answer, which comes as soon as it can; then it is asked for anew.
const LOOK: Duration = Duration::from_secs(5);

/// The users of a broker with TLS: name and password. `alice` may do everything, `bob` nothing.
pub const ALICE: (&str, &str) = ("alice", "alice-secret");
pub const BOB: (&str, &str) = ("bob", "bob-secret");

/// A running broker. It ends with the value, and with the test process however that ends.
pub struct KafkaServer {
    folder: TempDir,
    port: Port,
    controller_port: Port,
    /// SCRAM over TLS, and TLS with client certificates.
    secure_ports: Option<(Port, Port)>,
    /// Of the listener behind a proxy, and the proxy's.
    proxied: Option<(Port, u16)>,
    certificates: Option<Certificates>,
    process: Option<Process>,
}

/// The shell that owns the broker's JVM: it kills it when its standard input ends.
struct Process {
    shell: Child,
    orders: ChildStdin,
}

impl KafkaServer {
    /// A broker without security on a free port.
    pub fn start() -> Self {
        Self::start_with(None, "")
    }

    /// A broker that also has a SCRAM listener over TLS and one that wants client certificates.
    pub fn start_secure() -> Self {
        Self::start_with(Some(()), "")
    }

    /// A broker with more lines in its settings.
    pub fn start_with(secure: Option<()>, more: &str) -> Self {
        Self::new(secure, None, more)
    }

    /// A broker that also has a listener whose clients are sent to `advertised_port`: a proxy that leads to
    /// [`KafkaServer::behind_proxy`].
    pub fn start_behind(advertised_port: u16) -> Self {
        Self::new(None, Some((Port::reserve(), advertised_port)), "")
    }

    fn new(secure: Option<()>, proxied: Option<(Port, u16)>, more: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder for the broker");
        let certificates = secure.map(|()| Certificates::create(&folder.path().join("tls")));
        let secure_ports = secure.map(|()| (Port::reserve(), Port::reserve()));
        let (port, controller_port) = (Port::reserve(), Port::reserve());
        let mut server = Self { folder, port, controller_port, secure_ports, proxied, certificates, process: None };
        server.configure(more);
        server.format();
        server.launch();
        server
    }

    /// A second broker of this one's cluster, on a port and data of its own. It ends before the first.
    pub fn join(&self) -> Self {
        let folder = tempfile::tempdir().expect("a folder for the broker");
        let (port, controller_port) = (Port::reserve(), Port::reserve());
        let first = fs::read_to_string(self.settings()).expect("the first broker's settings");
        let mut lines: Vec<String> = first
            .lines()
            .filter(|line| {
                !["process.roles", "node.id", "listeners", "advertised.listeners", "log.dirs"]
                    .contains(&line.split('=').next().unwrap_or_default())
            })
            .map(str::to_owned)
            .collect();
        lines.extend([
            "process.roles=broker".to_owned(),
            "node.id=2".to_owned(),
            format!("listeners=PLAINTEXT://127.0.0.1:{}", port.number()),
            format!("log.dirs={}", folder.path().join("data").display()),
        ]);
        let mut server = Self { folder, port, controller_port, secure_ports: None, proxied: None, certificates: None, process: None };
        fs::write(server.settings(), lines.join("\n")).expect("the broker's settings are written");
        server.format();
        server.launch();
        server
    }

    /// Makes a topic whose partitions have these replicas, the preferred leader first.
    pub fn create_assigned_topic(&self, name: &str, replicas: &[&[i32]]) {
        let admin: AdminClient<DefaultClientContext> = self.client().create().expect("an admin client");
        let topic = NewTopic::new(name, i32::try_from(replicas.len()).expect("few partitions"), TopicReplication::Variable(replicas));
        let results = block_on(admin.create_topics([&topic], &patient())).expect("the broker answers");
        assert!(results.iter().all(Result::is_ok), "{results:?}");
        self.wait_for_topic(&admin, name, topic.num_partitions);
    }

    /// Makes the first replicas of a topic's partitions their leaders, once these are in sync again.
    pub fn elect_preferred_leaders(&self, topic: &str) {
        let mut election = java();
        election.args([
            "org.apache.kafka.tools.LeaderElectionCommand",
            "--bootstrap-server",
            &self.brokers(),
            "--election-type",
            "preferred",
        ]);
        election.args(["--all-topic-partitions"]);
        let deadline = Instant::now() + START_DEADLINE;
        loop {
            let output = election.output().expect("java runs");
            let metadata = self.client().create::<BaseConsumer>().expect("a client").fetch_metadata(Some(topic), LOOK);
            let led = |partition: &MetadataPartition| partition.replicas().first() == Some(&partition.leader());
            if metadata.is_ok_and(|metadata| metadata.topics()[0].partitions().iter().all(led)) {
                return;
            }
            assert!(Instant::now() < deadline, "no preferred leaders: {}", String::from_utf8_lossy(&output.stdout));
        }
    }

    /// The broker most tests share; topics keep them apart.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<KafkaServer> = OnceLock::new();
        SHARED.get_or_init(Self::start)
    }

    pub fn brokers(&self) -> String {
        format!("127.0.0.1:{}", self.port.number())
    }

    /// Address of the listener that a proxy stands before.
    pub fn behind_proxy(&self) -> String {
        format!("127.0.0.1:{}", self.proxied.as_ref().expect("a broker started with start_behind").0.number())
    }

    pub fn scram_brokers(&self, host: &str) -> String {
        format!("{host}:{}", self.secure_ports().0.number())
    }

    pub fn mutual_brokers(&self) -> String {
        format!("localhost:{}", self.secure_ports().1.number())
    }

    fn secure_ports(&self) -> &(Port, Port) {
        self.secure_ports.as_ref().expect("a broker started with start_secure")
    }

    pub fn certificates(&self) -> &Certificates {
        self.certificates.as_ref().expect("a broker started with start_secure")
    }

    fn configure(&self, more: &str) {
        let (mut listeners, mut advertised) = (String::new(), String::new());
        let mut security = String::new();
        if let Some(certificates) = &self.certificates {
            let (scram, mutual) = (self.secure_ports().0.number(), self.secure_ports().1.number());
            listeners = format!(",SCRAM://127.0.0.1:{scram},MUTUAL://127.0.0.1:{mutual}");
            advertised = format!(",SCRAM://localhost:{scram},MUTUAL://localhost:{mutual}");
            security = include_str!("secure.properties")
                .replace("{keystore}", &certificates.broker.display().to_string())
                .replace("{truststore}", &certificates.ca.display().to_string());
        }
        if let Some((port, advertised_port)) = &self.proxied {
            listeners = format!(",PROXIED://127.0.0.1:{}", port.number());
            advertised = format!(",PROXIED://127.0.0.1:{advertised_port}");
        }
        let base = include_str!("server.properties")
            .replace("{port}", &self.port.number().to_string())
            .replace("{controller_port}", &self.controller_port.number().to_string())
            .replace("{more_listeners}", &listeners)
            .replace("{more_advertised}", &advertised)
            .replace("{data}", &self.folder.path().join("data").display().to_string());
        fs::write(self.settings(), format!("{base}{security}\n{more}\n")).expect("the broker's settings are written");
    }

    fn format(&self) {
        let mut format = java();
        format.args(["kafka.tools.StorageTool", "format", "-t", "MkU3OEVBNTcwNTJENDM2Qg", "-c"]).arg(self.settings());
        if self.certificates.is_some() {
            for (name, password) in [ALICE, BOB] {
                for mechanism in ["SCRAM-SHA-256", "SCRAM-SHA-512"] {
                    format.args(["--add-scram", &format!("{mechanism}=[name={name},password={password}]")]);
                }
            }
        }
        let output = format.output().expect("java runs");
        assert!(output.status.success(), "storage not formatted: {}", String::from_utf8_lossy(&output.stderr));
    }

    fn launch(&mut self) {
        let log = File::options().create(true).append(true).open(self.log()).expect("a log file");
        let command = java();
        let arguments = command.get_args().map(|argument| format!("'{}'", argument.to_string_lossy())).collect::<Vec<_>>().join(" ");
        let script = format!(
            "java {arguments} kafka.Kafka '{}' </dev/null & broker=$!; echo $broker >'{}'\n\
             order=kill; read -r order; [ \"$order\" = stop ] && kill $broker || kill -9 $broker; wait $broker",
            self.settings().display(),
            self.pid().display()
        );
        let mut shell = Command::new("sh")
            .args(["-c", &script])
            .stdin(Stdio::piped())
            .stdout(log.try_clone().expect("the log file opens twice"))
            .stderr(log)
            .spawn()
            .expect("sh runs");
        let orders = shell.stdin.take().expect("stdin is piped");
        self.process = Some(Process { shell, orders });
        self.wait_until_ready();
    }

    fn wait_until_ready(&self) {
        let deadline = Instant::now() + START_DEADLINE;
        let client: BaseConsumer = self.client().create().expect("a client");
        while client.fetch_metadata(None, LOOK).is_err() {
            assert!(Instant::now() < deadline, "the broker did not come up:\n{}", self.log_end());
        }
    }

    fn log_end(&self) -> String {
        let log = fs::read_to_string(self.log()).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(30)..].join("\n")
    }

    fn settings(&self) -> PathBuf {
        self.folder.path().join("server.properties")
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("broker.log")
    }

    fn pid(&self) -> PathBuf {
        self.folder.path().join("pid")
    }

    /// Stops it where it stands: connections stay, nothing is answered. Or lets it go on.
    pub fn hang(&self, hangs: bool) {
        let pid = fs::read_to_string(self.pid()).expect("the broker's process id");
        let pid = Pid::from_raw(pid.trim().parse().expect("a number")).expect("not zero");
        kill_process(pid, if hangs { Signal::STOP } else { Signal::CONT }).expect("the broker is there");
    }

    /// `kill -9`, at once.
    pub fn kill(&mut self) {
        self.end("kill");
    }

    /// An orderly end.
    pub fn stop(&mut self) {
        self.end("stop");
    }

    fn end(&mut self, order: &str) {
        if let Some(Process { mut shell, mut orders }) = self.process.take() {
            // A shell that is gone already has nothing left to order.
            let _ = writeln!(orders, "{order}");
            drop(orders);
            let _ = shell.wait();
        }
    }

    /// Starts again on the data and the ports it had.
    pub fn restart(&mut self) {
        self.launch();
    }

    /// A client of the listener without security.
    pub fn client(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", self.brokers()).set("log_level", "0");
        // A broker that has just come up is found at once.
        config.set("reconnect.backoff.ms", "20").set("reconnect.backoff.max.ms", "200");
        config
    }

    /// Makes a topic and waits until it can be written to.
    pub fn create_topic(&self, name: &str, partitions: i32, settings: &[(&str, &str)]) {
        let admin: AdminClient<DefaultClientContext> = self.client().create().expect("an admin client");
        let topic = settings
            .iter()
            .fold(NewTopic::new(name, partitions, TopicReplication::Fixed(1)), |topic, (name, value)| topic.set(name, value));
        let results = block_on(admin.create_topics([&topic], &patient())).expect("the broker answers");
        assert!(results.iter().all(Result::is_ok), "{results:?}");
        self.wait_for_topic(&admin, name, partitions);
    }

    fn wait_for_topic(&self, admin: &AdminClient<DefaultClientContext>, name: &str, partitions: i32) {
        let deadline = Instant::now() + START_DEADLINE;
        loop {
            let metadata = admin.inner().fetch_metadata(Some(name), LOOK);
            let ready = metadata.is_ok_and(|metadata| {
                metadata.topics().iter().any(|topic| {
                    topic.name() == name
                        && topic.partitions().len() == partitions as usize
                        && topic.partitions().iter().all(|p| p.leader() >= 0)
                })
            });
            if ready {
                return;
            }
            assert!(Instant::now() < deadline, "topic {name} has no leaders");
        }
    }

    /// Waits until the topic's first partition holds something.
    pub fn wait_for_records(&self, topic: &str) {
        let deadline = Instant::now() + START_DEADLINE;
        let client: BaseConsumer = self.client().create().expect("a client");
        while client.fetch_watermarks(topic, 0, LOOK).map_or(true, |(_, high)| high == 0) {
            assert!(Instant::now() < deadline, "nothing was written to {topic}");
        }
    }

    /// Waits until a consumer group has so many members.
    pub fn wait_for_members(&self, group: &str, count: usize) {
        let deadline = Instant::now() + START_DEADLINE;
        let client: BaseConsumer = self.client().create().expect("a client");
        let members = || client.fetch_group_list(Some(group), LOOK).map_or(usize::MAX, |groups| groups.groups()[0].members().len());
        while members() != count {
            assert!(Instant::now() < deadline, "{group} has {} members", members());
            std::thread::park_timeout(Duration::from_millis(20));
        }
    }

    pub fn add_partitions(&self, topic: &str, count: usize) {
        let admin: AdminClient<DefaultClientContext> = self.client().create().expect("an admin client");
        let results = block_on(admin.create_partitions([&NewPartitions::new(topic, count)], &patient())).expect("the broker answers");
        assert!(results.iter().all(Result::is_ok), "{results:?}");
        self.wait_for_topic(&admin, topic, i32::try_from(count).expect("few partitions"));
    }

    /// Removes what retention would: records of a partition below `offset`.
    pub fn delete_records(&self, topic: &str, partition: i32, offset: i64) {
        let admin: AdminClient<DefaultClientContext> = self.client().create().expect("an admin client");
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(topic, partition, Offset::Offset(offset)).expect("an offset");
        block_on(admin.delete_records(&list, &patient())).expect("the records are deleted");
    }

    /// Runs a `kafka-acls.sh …` command line as an administrator would, over the listener that trusts everyone.
    pub fn run_acls(&self, line: &str) {
        let mut words: Vec<String> = line.split_whitespace().map(|word| word.trim_matches('\'').to_owned()).collect();
        assert_eq!(words.remove(0), "kafka-acls.sh");
        let address = words.iter().position(|word| word == "--bootstrap-server").expect("an address") + 1;
        words[address] = self.brokers();
        // This listener asks for no credentials.
        if let Some(option) = words.iter().position(|word| word == "--command-config") {
            words.drain(option..option + 2);
        }
        let output = java().arg("org.apache.kafka.tools.AclCommand").args(words).output().expect("java runs");
        assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    }

    pub fn delete_topic(&self, name: &str) {
        let admin: AdminClient<DefaultClientContext> = self.client().create().expect("an admin client");
        let results = block_on(admin.delete_topics(&[name], &patient())).expect("the broker answers");
        assert!(results.iter().all(Result::is_ok), "{results:?}");
    }
}

impl Drop for KafkaServer {
    fn drop(&mut self) {
        self.kill();
    }
}

/// What an administrator asks for may take its time.
fn patient() -> AdminOptions {
    AdminOptions::new().request_timeout(Some(START_DEADLINE)).operation_timeout(Some(START_DEADLINE))
}

/// Runs a future of the admin client, which works on threads of its own.
pub fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(future)
}

/// `java` with Kafka's jars, installed if they are not there.
fn java() -> Command {
    let mut java = Command::new("java");
    java.args(["-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"]);
    java.arg("-cp").arg(format!("{}/*", jars().display()));
    java
}

fn jars() -> &'static Path {
    static JARS: OnceLock<PathBuf> = OnceLock::new();
    JARS.get_or_init(|| {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let installed = Command::new("sh").arg(root.join("tests/support/install-kafka.sh")).status().expect("sh runs");
        assert!(installed.success(), "Kafka was not installed; see tests/support/install-kafka.sh");
        root.join(".tools/kafka/libs")
    })
}
