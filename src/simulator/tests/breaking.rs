//! Each fault changes what it says it changes, and a quiet shop stays quiet.

use super::reading::{ReadSpan, Written, read};
use super::{options, run, start};
use crate::simulator::faults::FaultFile;
use crate::simulator::{Options, Shop, SimulatorError, catalog, episode};

const HISTORY_S: i64 = 420;
const AGE_S: i64 = 210;

/// Before and after the onset.
struct Halves {
    before: Written,
    after: Written,
}

fn halves(fault: Option<&str>) -> Halves {
    let chosen = Options { history_s: HISTORY_S as u32, fault_age_s: AGE_S as u32, ..options(fault) };
    let written = read(&run(chosen, HISTORY_S, 1000));
    let onset = start().plus_seconds(HISTORY_S - AGE_S).nanos();
    let (mut before, mut after) = (Written::default(), Written::default());
    // The first minute after the onset may still ramp up.
    let settled = onset + 60_000_000_000;
    for span in written.spans {
        match span.start {
            start if start < onset => before.spans.push(span),
            start if start >= settled => after.spans.push(span),
            _ => {}
        }
    }
    for line in written.lines {
        if line.at < onset { before.lines.push(line) } else { after.lines.push(line) }
    }
    for point in written.points {
        if point.at < onset { before.points.push(point) } else { after.points.push(point) }
    }
    before.webhooks = written.webhooks;
    Halves { before, after }
}

fn share_failed<'a>(spans: impl Iterator<Item = &'a ReadSpan>) -> f64 {
    let (mut failed, mut all) = (0, 0);
    for span in spans {
        failed += usize::from(span.failed);
        all += 1;
    }
    failed as f64 / all.max(1) as f64
}

fn quantile<'a>(spans: impl Iterator<Item = &'a ReadSpan>, part: f64) -> f64 {
    let mut millis: Vec<f64> = spans.map(ReadSpan::millis).collect();
    millis.sort_by(f64::total_cmp);
    millis.get(((millis.len() as f64 - 1.0) * part) as usize).copied().unwrap_or(0.0)
}

impl Written {
    fn roots(&self) -> impl Iterator<Item = &ReadSpan> {
        self.spans.iter().filter(|span| span.service == "gateway" && span.parent.is_empty())
    }

    fn served<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a ReadSpan> {
        self.spans.iter().filter(move |span| span.name == name && span.kind == 2)
    }

    fn calls<'a>(&'a self, caller: &'a str, callee: &'a str) -> impl Iterator<Item = &'a ReadSpan> {
        self.spans.iter().filter(move |span| span.kind == 3 && span.service == caller && span.peer == callee)
    }

    fn mean(&self, service: &str, metric: &str) -> f64 {
        let values: Vec<f64> =
            self.points.iter().filter(|point| point.service == service && point.metric == metric).map(|point| point.value).collect();
        values.iter().sum::<f64>() / values.len().max(1) as f64
    }

    fn lines_with(&self, service: &str, part: &str) -> usize {
        self.lines.iter().filter(|line| line.service == service && line.message.contains(part)).count()
    }
}

#[test]
fn what_each_fault_changes_is_printed_and_users_notice() {
    let quiet = halves(None);
    let line = |name: &str, halves: &Halves| {
        println!(
            "{name:20} users failing {:5.2} % → {:5.2} %, p50 {:5.0} → {:5.0} ms, p95 {:5.0} → {:5.0} ms, errors logged a minute {:5.1} → {:6.1}",
            100.0 * share_failed(halves.before.roots()),
            100.0 * share_failed(halves.after.roots()),
            quantile(halves.before.roots(), 0.5),
            quantile(halves.after.roots(), 0.5),
            quantile(halves.before.roots(), 0.95),
            quantile(halves.after.roots(), 0.95),
            halves.before.lines.iter().filter(|line| line.level == "ERROR").count() as f64 / ((HISTORY_S - AGE_S) as f64 / 60.0),
            halves.after.lines.iter().filter(|line| line.level == "ERROR").count() as f64 / (AGE_S as f64 / 60.0),
        );
    };
    line("quiet", &quiet);
    for fault in catalog() {
        let halves = halves(Some(&fault.name));
        line(&fault.name, &halves);
        let slower = |root: &ReadSpan| {
            let of = |half: &Written| quantile(half.served(&root.name), 0.9);
            of(&halves.after) > 1.5 * of(&quiet.after)
        };
        let worse = share_failed(halves.after.roots()) > share_failed(quiet.after.roots()) + 0.01 || halves.after.roots().any(slower);
        assert!(worse, "{} changes nothing users notice", fault.name);
    }
}

#[test]
fn a_quiet_shop_does_not_drift() {
    let quiet = halves(None);
    assert!(share_failed(quiet.after.roots()) < 0.01);
    let (before, after) = (quantile(quiet.before.roots(), 0.5), quantile(quiet.after.roots(), 0.5));
    assert!((after / before - 1.0).abs() < 0.1, "{before} → {after} ms");
}

#[test]
fn before_its_onset_a_fault_changes_no_request() {
    let spans = |fault| -> Vec<(String, i64, i64)> {
        halves(fault).before.spans.into_iter().map(|span| (span.name, span.start, span.end)).collect()
    };
    let quiet = spans(None);
    // A request on its way at the onset may already feel the fault: the last ten seconds are left out.
    let early = start().plus_seconds(HISTORY_S - AGE_S - 10).nanos();
    let count = |all: &[(String, i64, i64)]| all.iter().filter(|(_, _, end)| *end < early).cloned().collect::<Vec<_>>();
    assert_eq!(count(&spans(Some("slow-database"))), count(&quiet));
}

#[test]
fn a_small_pool_fails_charges_on_new_pods_only_and_shows_in_its_gauges() {
    let halves = halves(Some("bad-deploy"));
    let refused = halves.after.lines_with("payment", "no connection within 1500 ms (in use 8 of 8");
    let before = halves.before.lines_with("payment", "no connection within");
    assert!(refused > 20 && before == 0, "{before} → {refused}");
    assert!(share_failed(halves.after.served("payment/Charge")) > 0.25);
    assert!(share_failed(halves.after.served("POST /checkout")) > 0.1);
    assert!(
        halves.after.mean("payment", "db.client.connection.count") < 9.0
            && halves.before.mean("payment", "db.client.connection.count") > 10.0
    );
    assert!(halves.after.mean("payment", "db.client.connection.pending_requests") > 2.0);
    let failed_on: std::collections::BTreeSet<_> =
        halves.after.served("payment/Charge").filter(|span| span.failed).map(|span| span.version.clone()).collect();
    assert_eq!(failed_on.into_iter().collect::<Vec<_>>(), ["3.8.0"]);
    let deploy = halves.before.webhooks.iter().filter(|(_, event, _)| event == "deployment").map(|(_, _, body)| &body["deployment"]);
    let bad: Vec<_> = deploy.filter(|deploy| deploy["payload"]["service"] == "payment").collect();
    assert_eq!(bad.len(), 1);
    assert!(bad[0]["payload"]["diff"].as_str().unwrap().contains("-    max_connections: 40\n+    max_connections: 8\n"));
}

#[test]
fn a_slow_database_slows_those_who_ask_it_and_their_callers() {
    let halves = halves(Some("slow-database"));
    assert!(quantile(halves.after.calls("orders", "orders-db"), 0.5) > 15.0 * quantile(halves.before.calls("orders", "orders-db"), 0.5));
    assert!(quantile(halves.after.served("POST /checkout"), 0.5) > 2.0 * quantile(halves.before.served("POST /checkout"), 0.5));
    assert!(quantile(halves.after.served("GET /search"), 0.5) < 1.2 * quantile(halves.before.served("GET /search"), 0.5));
    assert!(halves.after.lines_with("orders-db", "duration: ") > 10);
}

#[test]
fn a_network_delay_lies_between_client_and_server() {
    let halves = halves(Some("network-delay"));
    let gap = |half: &Written| quantile(half.calls("checkout", "inventory"), 0.5) - quantile(half.served("inventory/Reserve"), 0.5);
    assert!(gap(&halves.after) > 300.0 && gap(&halves.before) < 10.0, "{} → {}", gap(&halves.before), gap(&halves.after));
    let served = |half: &Written| quantile(half.served("inventory/Reserve"), 0.5);
    assert!(served(&halves.after) < 1.3 * served(&halves.before));
    let others = |half: &Written| quantile(half.calls("gateway", "inventory"), 0.5);
    assert!(others(&halves.after) < 1.3 * others(&halves.before));
}

#[test]
fn a_starved_service_is_slow_and_its_processor_busy() {
    let halves = halves(Some("cpu-contention"));
    assert!(quantile(halves.after.served("search/Query"), 0.5) > 5.0 * quantile(halves.before.served("search/Query"), 0.5));
    assert!(halves.after.mean("search", "process.cpu.utilization") > 0.85 && halves.before.mean("search", "process.cpu.utilization") < 0.3);
}

#[test]
fn a_leak_climbs_to_its_limit_and_the_pod_is_killed_and_returns() {
    let chosen = Options { history_s: 600, fault_age_s: 420, ..options(Some("memory-leak")) };
    let written = read(&run(chosen, 600, 1000));
    let memory: Vec<f64> = written
        .points
        .iter()
        .filter(|point| point.service == "recommendation" && point.metric == "process.memory.usage")
        .map(|point| point.value)
        .collect();
    let top = memory.iter().copied().fold(0.0, f64::max);
    assert!(top > 0.9 * 1024.0 * 1_048_576.0, "{top}");
    let kills = written.webhooks.iter().filter(|(_, _, body)| body["type"] == "pod_killed").count();
    assert!((2..=12).contains(&kills), "{kills} kills");
    assert!(written.lines.iter().any(|line| line.service == "recommendation" && line.message.starts_with("Garbage collection paused")));
    assert!(written.spans.iter().any(|span| span.peer == "recommendation" && span.message.contains("connection refused")));
}

#[test]
fn an_error_returned_in_silence_leaves_no_line_where_it_arises() {
    let halves = halves(Some("error-return"));
    let share = share_failed(halves.after.served("pricing/Quote"));
    assert!((share - 0.5).abs() < 0.1, "{share}");
    assert!(halves.after.served("pricing/Quote").all(|span| span.exceptions == 0));
    let errors = halves.after.lines.iter().filter(|line| line.service == "pricing" && line.level == "ERROR").count();
    assert_eq!(errors, 0);
    assert!(halves.after.lines_with("gateway", "pricing/Quote failed after 2 attempts") > 10);
}

#[test]
fn an_expired_certificate_fails_every_charge_and_no_deploy_stands_behind_it() {
    let halves = halves(Some("expired-certificate"));
    assert!(share_failed(halves.after.calls("payment", "acquirer")) > 0.99);
    assert!(share_failed(halves.before.calls("payment", "acquirer")) < 0.02);
    assert!(halves.after.lines_with("payment", "certificate of api.acquirer.example expired") > 20);
    let onset = start().plus_seconds(HISTORY_S - AGE_S).nanos();
    let near = halves.before.webhooks.iter().filter(|(at, event, _)| event == "deployment" && (at - onset).abs() < 60_000_000_000).count();
    assert_eq!(near, 0);
}

#[test]
fn one_poisoned_cache_host_answers_slowly_and_in_vain() {
    let halves = halves(Some("poisoned-cache"));
    let discarded = halves.after.lines.iter().filter(|line| line.message.starts_with("discarding entry from")).collect::<Vec<_>>();
    assert!(discarded.len() > 30 && discarded.iter().all(|line| line.message.contains("cache-1")), "{}", discarded.len());
    assert!(quantile(halves.after.calls("catalog", "cache"), 0.9) > 5.0 * quantile(halves.before.calls("catalog", "cache"), 0.9));
}

#[test]
fn a_dead_dependency_writes_nothing_and_its_callers_time_out() {
    let halves = halves(Some("dead-dependency"));
    assert_eq!(halves.after.served("inventory/Reserve").count(), 0);
    assert!(share_failed(halves.after.calls("checkout", "inventory")) > 0.99);
    assert!(
        halves
            .after
            .calls("checkout", "inventory")
            .all(|span| span.message.contains("did not answer within 2500 ms") || span.message.contains("reset by peer"))
    );
}

#[test]
fn a_noisy_host_slows_its_residents_only() {
    let halves = halves(Some("no-change"));
    let on = |half: &Written, noisy: bool| quantile(half.served("search/Query").filter(|span| (span.host == "node-1") == noisy), 0.5);
    assert!(on(&halves.after, true) > 5.0 * on(&halves.before, true), "{} → {}", on(&halves.before, true), on(&halves.after, true));
    assert!(on(&halves.after, false) < 1.3 * on(&halves.before, false));
    let node = |half: &Written| {
        half.points
            .iter()
            .filter(|point| point.host == "node-1" && point.metric == "system.cpu.utilization")
            .map(|point| point.value)
            .fold(0.0, f64::max)
    };
    assert!(node(&halves.after) > 0.9 && node(&halves.before) < 0.7);
}

#[test]
fn a_dropped_guard_throws_from_new_pods() {
    let halves = halves(Some("missing-guard"));
    let share = share_failed(halves.after.served("cart/GetCart"));
    assert!((share - 0.35).abs() < 0.12, "{share}");
    assert!(halves.after.lines_with("cart", "Cannot read properties of undefined") > 10);
    assert_eq!(halves.before.lines_with("cart", "Cannot read properties of undefined"), 0);
}

#[test]
fn a_query_in_a_loop_slows_new_pods() {
    let halves = halves(Some("query-in-loop"));
    let slow = |half: &Written| quantile(half.served("catalog/GetProduct"), 0.5);
    assert!(slow(&halves.after) > 8.0 * slow(&halves.before), "{} → {}", slow(&halves.before), slow(&halves.after));
}

#[test]
fn a_short_timeout_gives_up_on_a_partner_that_is_as_quick_as_ever() {
    let halves = halves(Some("short-timeout"));
    let calls = |half: &Written| share_failed(half.calls("payment", "acquirer"));
    assert!(calls(&halves.after) > 0.4 && calls(&halves.before) < 0.02, "{} → {}", calls(&halves.before), calls(&halves.after));
    assert!(halves.after.lines_with("payment", "acquirer did not answer within 100 ms") > 10);
}

#[test]
fn a_policy_refuses_connections_and_is_told_on_the_manual_topic() {
    let halves = halves(Some("network-policy"));
    let share = share_failed(halves.after.calls("gateway", "search"));
    assert!((share - 0.6).abs() < 0.12, "{share}");
    assert!(share_failed(halves.after.calls("gateway", "cart")) < 0.02);
    let told: Vec<_> = halves.before.webhooks.iter().filter(|(_, _, body)| body["type"] == "config_change").collect();
    assert_eq!(told.len(), 1);
    assert!(told[0].2["data"]["diff"].as_str().unwrap().contains("+      cidr: 10.2.3.0/24"));
}

#[test]
fn a_harmless_release_may_word_its_lines_anew() {
    let reworded = (0..40).any(|seed| {
        let written = read(&run(Options { seed, rate: 0.5, ..options(None) }, 1200, 1000));
        written.lines.iter().any(|line| line.message.starts_with("Index products-v7 returned"))
    });
    assert!(reworded);
}

#[test]
fn every_fault_hits_every_target_it_names() {
    for fault in catalog() {
        for target in &fault.targets {
            let chosen = Options { target: Some(target.clone()), history_s: 60, fault_age_s: 30, ..options(Some(&fault.name)) };
            let mut shop = Shop::new(chosen, start()).unwrap_or_else(|error| panic!("{}: {error}", fault.name));
            let truth = shop.truth().unwrap().clone();
            let callee = target.split('>').next_back().unwrap();
            assert!(truth.service.as_deref() == Some(callee) || truth.host.as_deref() == Some(callee), "{truth:?}");
            assert!(!shop.step(start().plus_seconds(60)).is_empty());
        }
    }
    let chosen = Options { target: Some("moon".to_owned()), ..options(Some("cpu-contention")) };
    assert!(Shop::new(chosen, start()).unwrap_err().to_string().contains("cannot hit moon; it can hit search, pricing"));
}

#[test]
fn a_fault_that_ends_is_rolled_back_and_over() {
    let chosen = Options { history_s: 480, fault_age_s: 360, fault_lasts_s: Some(120), ..options(Some("bad-deploy")) };
    let written = read(&run(chosen.clone(), 480, 1000));
    let over = Shop::new(chosen, start()).unwrap().truth().unwrap().over.unwrap();
    // The last pod is rolled back half a minute after the first.
    let after: Vec<_> = written.lines.iter().filter(|line| line.at > over.plus_seconds(40).nanos()).collect();
    assert!(after.iter().all(|line| !line.message.contains("no connection within")));
    assert!(written.lines.iter().any(|line| line.message.contains("no connection within")));
    let last = written.webhooks.iter().rfind(|(_, event, _)| event == "deployment").map(|(_, _, body)| &body["deployment"]["payload"]);
    assert_eq!(last.unwrap()["message"], "Roll back to 3.7.4");
    assert!(last.unwrap()["diff"].as_str().unwrap().contains("+    max_connections: 40"));
}

#[test]
fn episodes_are_the_same_for_ever_and_every_fault_has_its_turn() {
    let drawn: Vec<Options> = (0..70).map(|number| episode(number).unwrap()).collect();
    assert_eq!(drawn, (0..70).map(|number| episode(number).unwrap()).collect::<Vec<_>>());
    assert_eq!(drawn.iter().filter(|options| options.fault.is_none()).count(), 14);
    for fault in catalog() {
        assert_eq!(drawn.iter().filter(|options| options.fault.as_deref() == Some(&fault.name)).count(), 4, "{}", fault.name);
    }
    for options in &drawn {
        assert!(options.strength.is_none_or(|strength| (1.2..=20.0).contains(&strength)));
        Shop::new(options.clone(), start()).unwrap();
    }
    // Pinned: a change here means that figures can no longer be compared.
    assert_eq!(
        format!("{:?}", (&drawn[0].fault, &drawn[0].target, drawn[0].seed)),
        "(Some(\"bad-deploy\"), Some(\"payment\"), 2465649902776403)"
    );
}

#[test]
fn strength_and_share_scale_a_fault() {
    let median = |strength: Option<f64>, share: Option<f64>| {
        let chosen = Options { history_s: 120, fault_age_s: 120, strength, share, ..options(Some("slow-database")) };
        let written = read(&run(chosen, 120, 1000));
        quantile(written.calls("orders", "orders-db"), 0.5)
    };
    let (none, weak, strong) = (median(Some(1.0), None), median(Some(3.0), Some(1.0)), median(Some(20.0), Some(1.0)));
    assert!((2.0..3.2).contains(&(weak / none)) && (12.0..20.0).contains(&(strong / none)), "{none} {weak} {strong}");
    assert!(median(Some(20.0), Some(0.1)) < 1.3 * none);
}

#[test]
fn a_fault_that_does_not_exist_is_refused_with_those_that_do() {
    let error = Shop::new(options(Some("bad-luck")), start()).unwrap_err();
    let text = error.to_string();
    assert!(text.starts_with("unknown fault bad-luck; there are bad-deploy, slow-database"), "{text}");
}

#[test]
fn an_option_out_of_range_is_refused_with_its_name() {
    let refused = |chosen: Options| Shop::new(chosen, start()).unwrap_err().to_string();
    assert!(refused(Options { rate: 0.0, ..options(None) }).starts_with("rate must be above 0"));
    assert!(refused(Options { rate: f64::NAN, ..options(None) }).starts_with("rate must be above 0"));
    assert!(refused(Options { strength: Some(0.5), ..options(None) }).starts_with("strength must be 1 to 100"));
    assert!(refused(Options { share: Some(2.0), ..options(None) }).starts_with("share must be 0 to 1"));
    assert!(refused(Options { fault_age_s: 2000, ..options(None) }).starts_with("fault_age_s must be at most history_s (1200)"));
}

#[test]
fn every_fault_file_is_read_and_a_strange_key_refused() {
    assert_eq!(catalog().len(), 14);
    let text = "name = 'x'\nsummary = 'x'\ntargets = ['x']\nservice = 'x'\nopen_within_s = 1\neffect = []\nstrange = 1";
    let error = FaultFile::parse(text, None).unwrap_err();
    assert!(matches!(&error, SimulatorError::Fault { reason, .. } if reason.contains("strange")), "{error}");
}
