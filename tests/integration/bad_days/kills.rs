//! `kill -9` again and again: the result is that of a run nobody disturbed.

use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Duration;

use rand::seq::SliceRandom as _;
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use whydunit::model::Timestamp;

use super::{PATIENCE, records_read};
use crate::support::kafka::KafkaServer;
use crate::support::process::{Home, Run, assert_same_export, binary};
use crate::support::seed::seed;
use crate::support::shop::{LIFE_S, ShopFeed, closed_up_to, read_to_the_end, settings};

/// Kills that a campaign promises.
const KILLS: usize = 10;
/// Further tries to hit a checkpoint or an open investigation.
const MORE_TRIES: usize = 15;
/// Longest wait for what a kill aims at: a partition that is read to its end holds the watermark for 30 s.
const AIM_PATIENCE: Duration = Duration::from_secs(90);
const LOG_CHECKPOINTS: &str = "[telemetry]\nlog = \"info,whydunit::actors=debug\"\n";

/// What a kill waits for.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Aim {
    /// So long after it has begun to read.
    Moment(Duration),
    /// As soon as it says that a checkpoint began.
    Checkpoint,
    /// It goes on from its checkpoint and the API shows an investigation that has not recovered.
    OpenInvestigation,
}

const BEGAN: &str = "checkpoint began";
const STORED: &str = "checkpoint stored";
const STARTED: &str = "pipeline started from its last checkpoint";

/// One kill, as it was observed.
struct Kill {
    aim: Aim,
    /// Epoch of the checkpoint the process had started from.
    from: u64,
    records_read: u64,
    watermark: String,
    /// Epoch of a checkpoint that had begun and was not known to be stored.
    under_way: Option<u64>,
    open_investigation: bool,
}

impl Kill {
    fn tell(&self) {
        let Self { aim, from, records_read, watermark, under_way, open_investigation } = self;
        println!(
            "killed at {aim:?}: from checkpoint {from}, {records_read} records read, watermark {watermark}, checkpoint under way: \
             {under_way:?}, investigation open: {open_investigation}"
        );
    }
}

/// Kills, one after the other, over one database.
struct Campaign<'a> {
    home: &'a Home,
    kills: Vec<Kill>,
}

impl<'a> Campaign<'a> {
    fn new(home: &'a Home) -> Self {
        Self { home, kills: Vec::new() }
    }

    /// Starts the service on what is there and kills it.
    fn kill(&mut self, aim: Aim) {
        let run = self.home.run_into(move |line| aim == Aim::Checkpoint && of_log(line, BEGAN).is_some());
        let from = started_from(&run);
        let has_read = |run: &Run| records_read(run) > 0;
        let open_investigation = match aim {
            Aim::Moment(wait) => {
                run.within(PATIENCE, has_read);
                run.within(wait, |_| false);
                false
            }
            Aim::OpenInvestigation => run.within(AIM_PATIENCE, has_open_investigation),
            Aim::Checkpoint => {
                // Where none comes, nothing new was there to read.
                run.within(AIM_PATIENCE, |run| run.ops("/readyz").is_null());
                false
            }
        };
        let (records_read, watermark) = (records_read(&run), run.api("/api/v1/health")["watermark"].to_string());
        let said = run.killed();
        let kill = Kill { aim, from, records_read, watermark, under_way: under_way(&said), open_investigation };
        kill.tell();
        self.kills.push(kill);
    }

    /// Kills that fell between a checkpoint's beginning and its commit: the next start found the one before.
    fn inside_a_checkpoint(&self, last_start: u64) -> usize {
        let next_starts = self.kills.iter().skip(1).map(|kill| kill.from).chain([last_start]);
        self.kills.iter().zip(next_starts).filter(|(kill, next)| kill.under_way.is_some_and(|epoch| *next < epoch)).count()
    }

    fn while_open(&self) -> usize {
        self.kills.iter().filter(|kill| kill.open_investigation).count()
    }

    /// Goes on killing until every promise is kept, or it is clear that it will not be.
    fn keep_promises(&mut self) {
        for _ in 0..MORE_TRIES {
            // The last kill's fate is not known yet, so it counts as none.
            if self.kills.len() >= KILLS && self.inside_a_checkpoint(u64::MAX) > 0 && self.while_open() > 0 {
                return;
            }
            let aim = if self.while_open() == 0 { Aim::OpenInvestigation } else { Aim::Checkpoint };
            self.kill(aim);
        }
    }

    /// Reads to the end undisturbed, and checks what the campaign promises.
    fn finish(&self, read_to_the_end: impl Fn(&Run) -> bool) -> String {
        let run = self.home.run();
        let last_start = started_from(&run);
        run.wait_until("everything is read", PATIENCE, read_to_the_end);
        run.terminate();
        let (inside, open) = (self.inside_a_checkpoint(last_start), self.while_open());
        println!("{} kills, {inside} inside a checkpoint, {open} while an investigation was open", self.kills.len());
        assert!(self.kills.len() >= KILLS && inside >= 1 && open >= 1);
        self.home.export()
    }
}

/// Epoch of a log line with this message.
fn of_log(line: &str, message: &str) -> Option<u64> {
    if !line.contains(message) {
        return None;
    }
    let line: serde_json::Value = serde_json::from_str(line).ok()?;
    (line["fields"]["message"] == message).then(|| line["fields"]["epoch"].as_u64())?
}

fn started_from(run: &Run) -> u64 {
    let line = run.wait_for_line(PATIENCE, |line| of_log(line, STARTED).is_some()).expect("a start that is logged");
    of_log(&line, STARTED).unwrap()
}

fn under_way(said: &str) -> Option<u64> {
    let newest = |message: &str| said.lines().filter_map(|line| of_log(line, message)).max();
    newest(BEGAN).filter(|began| newest(STORED).is_none_or(|stored| stored < *began))
}

fn has_open_investigation(run: &Run) -> bool {
    let investigations = run.api("/api/v1/investigations?status=open");
    investigations.as_array().is_some_and(|all| all.iter().any(|one| one["recovered_at"].is_null()))
}

/// Mostly at any moment, three at a checkpoint, in an order drawn from the seed; the last two while something is wrong.
fn aims(random: &mut ChaCha8Rng) -> Vec<Aim> {
    let mut aims = vec![Aim::Checkpoint; 3];
    aims.extend((0..KILLS - 5).map(|_| Aim::Moment(Duration::from_millis(random.random_range(0..1_500)))));
    aims.shuffle(random);
    aims.extend([Aim::OpenInvestigation; 2]);
    aims
}

fn undisturbed(settings: &str, read_to_the_end: impl Fn(&Run) -> bool) -> String {
    let home = Home::new(settings);
    let run = home.run();
    run.wait_until("everything is read", PATIENCE, read_to_the_end);
    run.terminate();
    let export = home.export();
    assert!(export.contains("\"kind\":\"findings\""), "nothing was found, so nothing is compared");
    export
}

#[test]
fn a_process_killed_ten_times_comes_to_the_same_result() {
    const FAULT_AGE_S: u32 = 450;
    let mut random = ChaCha8Rng::seed_from_u64(seed());
    let server = KafkaServer::shared();
    let mut feed = ShopFeed::open(server, "killed", FAULT_AGE_S, &[]);
    let settings = settings(server, "killed", LOG_CHECKPOINTS);
    let home = Home::new(&settings);
    let mut campaign = Campaign::new(&home);

    // Each start finds another piece of the shop's life, so that no two kills fall at the same point.
    let piece_s = (LIFE_S - 60) / KILLS as u32;
    for (piece, aim) in aims(&mut random).into_iter().enumerate() {
        feed.write_until(piece as u32 * piece_s + random.random_range(30..piece_s));
        campaign.kill(aim);
    }
    feed.write_until(LIFE_S - 30);
    campaign.keep_promises();
    feed.write_to_the_end();
    let found = campaign.finish(read_to_the_end);
    assert_same_export(&undisturbed(&settings, read_to_the_end), &found);
}

/// Two faults of a recorded incident pack, written as if they happened now, faster.
const CASES: [&str; 2] = ["tt-dev-00", "tt-dev-01"];
const SPEED: &str = "60";

fn pack() -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/incidents/nezha-tt-dev.tar.zst");
    if !path.exists() {
        println!("skipped: {} is not there", path.display());
        return None;
    }
    Some(path)
}

fn replay(pack: &Path, server: &KafkaServer) -> Child {
    let mut command = binary();
    command.arg("replay").arg(pack).args(["--brokers", &server.brokers(), "--speed", SPEED]);
    for case in CASES {
        command.args(["--case", case]);
    }
    command.stderr(Stdio::piped()).spawn().unwrap()
}

fn replay_settings(server: &KafkaServer) -> String {
    let mut text = format!(
        "[kafka]\nbrokers = \"{}\"\nmetadata_refresh_ms = 1000\n[pipeline]\nhistory_teaches_s = 0\ncheckpoint_interval_s = 1\n[web]\nlisten = \"127.0.0.1:0\"\n[ops]\nlisten = \"127.0.0.1:0\"\n",
        server.brokers()
    );
    for name in ["logs", "metrics", "traces"] {
        text += &format!("[connectors.{name}]\nsource = \"{name}\"\ntopics = [\"replay.{name}\"]\nstart = \"earliest\"\n");
    }
    text + LOG_CHECKPOINTS
}

#[test]
fn a_recorded_incident_read_by_a_process_killed_ten_times_comes_to_the_same_result() {
    let Some(pack) = pack() else { return };
    let mut random = ChaCha8Rng::seed_from_u64(seed());
    let server = KafkaServer::start();
    // A topic that appears later cannot be waited for: what it holds may be late.
    for topic in ["logs", "metrics", "traces"] {
        server.create_topic(&format!("replay.{topic}"), 1, &[("retention.ms", "-1")]);
    }
    let settings = replay_settings(&server);
    let home = Home::new(&settings);
    let mut campaign = Campaign::new(&home);

    let mut replay = replay(&pack, &server);
    // A partition silent from the beginning would let the others go ahead: what it then brings may be late.
    for topic in ["logs", "metrics", "traces"] {
        server.wait_for_records(&format!("replay.{topic}"));
    }
    for aim in aims(&mut random) {
        campaign.kill(aim);
    }
    campaign.keep_promises();
    let said = {
        use std::io::Read as _;
        let mut said = String::new();
        replay.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        assert!(replay.wait().unwrap().success(), "{said}");
        said
    };
    let last = said.lines().find_map(|line| Timestamp::parse(line.split("the last of ").nth(1)?)).expect("when it ended");
    // The control records close five minutes more, but for the grace and the bucket it ends in.
    let end = |run: &Run| closed_up_to(run, last.plus_seconds(270));
    let found = campaign.finish(end);
    assert_same_export(&undisturbed(&settings, end), &found);
}
