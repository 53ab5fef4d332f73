//! A webhook receiver with bad days.

use std::io::Write as _;
use std::process::{Command, Stdio};

use serde_json::Value;

use super::receiver::Receiver;
use super::story::{PATIENCE, Story, notifications, settings, states, webhook};
use crate::support::process::Home;

#[test]
fn a_receiver_that_is_away_then_broken_then_well_hears_everything_in_order_signed_and_each_time_the_same() {
    let mut receiver = Receiver::down();
    let home = Home::new(&settings(&webhook(&receiver)));
    let run = home.run();
    let mut story = Story::begin();
    story.break_down(&run, &["cart"]);
    run.wait_until("it was tried in vain", PATIENCE, |run| {
        notifications(run).first().is_some_and(|told| told["deliveries"][0]["attempts"].as_u64() >= Some(1))
    });
    let first = &notifications(&run)[0];
    let delivery = &first["deliveries"][0];
    assert_eq!((&delivery["state"], &delivery["channel"]), (&Value::from("waiting"), &Value::from("webhook")), "{first}");
    assert!(delivery["last_error"].as_str().unwrap().contains(&format!("http://{}", receiver.address())), "{delivery}");
    assert!(!delivery["last_error"].as_str().unwrap().contains("hook"), "its path may be a secret: {delivery}");
    story.quieten(&run);
    run.wait_until("its recovery is to be told", PATIENCE, |run| notifications(run).len() == 2);

    receiver.answer(&[500, 302, 200, 500, 200]);
    receiver.listen();
    run.wait_until("both are delivered", PATIENCE, |run| states(run, "webhook") == ["delivered", "delivered"]);
    let got = receiver.got();
    let of = |index: usize| (got[index].json()["type"].as_str().unwrap().to_owned(), got[index].status);
    let opened = |status| ("investigation.opened".to_owned(), status);
    let recovered = |status| ("investigation.recovered".to_owned(), status);
    assert_eq!((0..5).map(of).collect::<Vec<_>>(), [opened(500), opened(302), opened(200), recovered(500), recovered(200)]);
    assert!(got.iter().all(|got| got.is_signed()), "{got:?}");
    assert_eq!((&got[0].body, got[0].header("webhook-id")), (&got[2].body, got[2].header("webhook-id")), "the same each time");
    assert_eq!(got[3].body, got[4].body);
    let data = &got[0].json()["data"];
    assert_eq!(data["link"], format!("https://whydunit.example.org/investigations/{}", data["investigation_id"].as_str().unwrap()));
    assert!(data["sentence"].as_str().unwrap().contains("cart fails"), "{data}");
    assert!(data["confidence"].is_number() && data["service"] == "cart", "{data}");
    println!("{}", got[2].body);

    let channel = &run.api("/api/v1/notifications/channels")[0];
    assert_eq!((&channel["name"], &channel["waiting"]), (&Value::from("webhook"), &Value::from(0)), "{channel}");
    assert_eq!(run.metric("whydunit_notifications_total{kind=\"opened\""), Some(1.0));
    run.terminate();
}

#[test]
fn a_restart_tells_nobody_again_and_goes_on_where_it_was() {
    let receiver = Receiver::up();
    let home = Home::new(&settings(&webhook(&receiver)));
    let run = home.run();
    let mut story = Story::begin();
    story.break_down(&run, &["cart", "payment"]);
    run.wait_until("both are told", PATIENCE, |run| states(run, "webhook") == ["delivered", "delivered"]);
    run.terminate();
    let run = home.run();
    story.quieten(&run);
    run.wait_until("both ends are told", PATIENCE, |run| states(run, "webhook") == ["delivered"; 4]);
    run.terminate();
    let mut types = receiver.types();
    types.sort();
    assert_eq!(types, ["investigation.opened", "investigation.opened", "investigation.recovered", "investigation.recovered"]);
}

#[test]
fn the_log_of_deliveries_is_filtered_and_paged_like_every_list() {
    let receiver = Receiver::up();
    let home = Home::new(&settings(&webhook(&receiver)));
    let run = home.run();
    let mut story = Story::begin();
    story.break_down(&run, &["cart", "payment", "stock"]);
    run.wait_until("three are told", PATIENCE, |run| states(run, "webhook") == ["delivered"; 3]);
    let count = |query: &str| run.api(&format!("/api/v1/notifications?{query}")).as_array().map(Vec::len);
    let id = notifications(&run)[0]["investigation_id"].as_str().unwrap().to_owned();
    assert_eq!(count(&format!("investigation_id={id}")), Some(1));
    assert_eq!(count("state=waiting"), Some(0));
    assert_eq!(count("state=delivered&channel=webhook"), Some(3));
    assert_eq!(count("channel=kafka"), Some(0));
    assert_eq!(count("kind=recovered"), Some(0));
    assert_eq!(count("per_page=2"), Some(2));
    assert_eq!(count("per_page=2&page=2"), Some(1));
    assert_eq!(run.api("/api/v1/notifications?state=lost")["status"], 400);
    let metrics = run.ops_text("/metrics");
    for name in
        ["whydunit_deliveries_total{", "whydunit_deliveries_waiting{channel=\"webhook\"", "whydunit_deliveries_oldest_waiting_seconds{"]
    {
        assert!(metrics.contains(name), "{name} is missing in\n{metrics}");
    }
    assert_eq!(complaints(&metrics), "");
    run.terminate();
}

/// What promtool says of our metrics' names and texts.
fn complaints(metrics: &str) -> String {
    let mut promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    promtool.stdin.take().unwrap().write_all(metrics.as_bytes()).unwrap();
    let output = promtool.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    said.lines().filter(|line| line.contains("notifications") || line.contains("deliveries")).collect::<Vec<_>>().join("\n")
}

#[test]
fn without_channels_nothing_is_kept_to_be_told_and_what_waits_for_one_that_is_taken_away_is_given_up() {
    let receiver = Receiver::down();
    let home = Home::new(&settings(&webhook(&receiver)));
    let run = home.run();
    let mut story = Story::begin();
    story.break_down(&run, &["cart"]);
    run.wait_until("it waits", PATIENCE, |run| states(run, "webhook") == ["waiting"]);
    run.terminate();
    home.settings(&settings(""));
    let run = home.run();
    run.wait_until("it is given up", PATIENCE, |run| states(run, "webhook") == ["given_up"]);
    story.break_down(&run, &["stock"]);
    run.wait_until("another opens", PATIENCE, |run| run.api("/api/v1/investigations").as_array().is_some_and(|all| all.len() == 2));
    assert_eq!(notifications(&run).len(), 1);
    assert_eq!(run.api("/api/v1/notifications/channels"), Value::Array(Vec::new()));
    run.terminate();
}
