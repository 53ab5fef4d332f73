//! A real Alertmanager, and a receiver behind it.

use std::time::Instant;

use serde_json::Value;

use super::receiver::Receiver;
use super::story::{PATIENCE, Story, settings, states};
use crate::producers::agent::{Agent, until};
use crate::support::ports::Port;
use crate::support::process::{Home, Run};

/// Alertmanager with one route, to a webhook of the test's.
struct Alertmanager {
    agent: Option<Agent>,
    port: Port,
    folder: tempfile::TempDir,
}

impl Alertmanager {
    fn start(receiver: &Receiver) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let settings = format!(
            "route:\n  receiver: people\n  group_by: [investigation]\n  group_wait: 0s\n  group_interval: 1s\n  repeat_interval: 1h\nreceivers:\n- name: people\n  webhook_configs:\n  - url: http://{}/\n    send_resolved: true\n",
            receiver.address()
        );
        std::fs::write(folder.path().join("alertmanager.yml"), settings).unwrap();
        let mut alertmanager = Self { agent: None, port: Port::reserve(), folder };
        alertmanager.begin();
        alertmanager
    }

    fn begin(&mut self) {
        let path = self.folder.path().display().to_string();
        self.agent = Some(Agent::start(&format!(
            "prometheus-alertmanager --config.file='{path}/alertmanager.yml' --storage.path='{path}/data' --web.listen-address=127.0.0.1:{} --cluster.listen-address= --log.level=error",
            self.port.number()
        )));
        until("Alertmanager is ready", PATIENCE, || ureq::get(format!("{}/-/ready", self.url())).call().is_ok());
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port.number())
    }

    /// The alerts it has now.
    fn alerts(&self) -> Vec<Value> {
        ureq::get(format!("{}/api/v2/alerts", self.url())).call().unwrap().body_mut().read_json().unwrap()
    }
}

fn opened(run: &Run) -> Value {
    run.api("/api/v1/investigations")[0].clone()
}

#[test]
fn a_fault_reaches_a_receiver_of_a_real_alertmanager_within_a_minute_and_its_end_resolves_it() {
    let receiver = Receiver::up();
    let alertmanager = Alertmanager::start(&receiver);
    let home = Home::new(&settings(&format!("[tell.alertmanager]\nurl = \"{}/\"\n", alertmanager.url())));
    let run = home.run();
    let mut story = Story::begin();
    story.break_down(&run, &["cart"]);
    run.wait_until("an investigation opens", PATIENCE, |run| opened(run).is_object());
    let began = Instant::now();
    until("the receiver has it", PATIENCE, || !receiver.got().is_empty());
    let (took, got) = (receiver.got()[0].at.saturating_duration_since(began), receiver.got()[0].json());
    println!("{:.2} s from the opening to the receiver behind Alertmanager", took.as_secs_f64());
    assert!(took.as_secs() < 60, "{took:?}");
    let alert = &got["alerts"][0];
    let id = opened(&run)["id"].as_str().unwrap().to_owned();
    assert_eq!(alert["status"], "firing", "{got}");
    let labels = &alert["labels"];
    assert_eq!((&labels["alertname"], &labels["investigation"]), (&Value::from("WhydunitInvestigation"), &Value::from(id.as_str())));
    assert_eq!((&labels["service"], &labels["environment"]), (&Value::from("cart"), &Value::from("production")), "{labels}");
    assert!(alert["generatorURL"].as_str().unwrap().ends_with(&format!("/investigations/{id}")), "{alert}");
    assert!(alert["annotations"]["description"].as_str().unwrap().contains("cart fails"), "{alert}");
    assert!(alert["annotations"]["confidence"].as_str().unwrap().parse::<f64>().is_ok(), "{alert}");

    // It goes on firing over a restart: sent again at once, with a later end and the same labels.
    let end = |alertmanager: &Alertmanager| alertmanager.alerts()[0]["endsAt"].as_str().unwrap().to_owned();
    let before = end(&alertmanager);
    run.terminate();
    let run = home.run();
    until("it is sent again", PATIENCE, || end(&alertmanager) > before);
    assert_eq!(alertmanager.alerts().len(), 1, "one alert an investigation");

    let told = receiver.got().len();
    story.quieten(&run);
    run.wait_until("its end is delivered", PATIENCE, |run| states(run, "alertmanager") == ["delivered", "delivered"]);
    until("the receiver hears the end", PATIENCE, || receiver.got().len() > told);
    let over = receiver.got().last().unwrap().json();
    assert_eq!((&over["status"], &over["alerts"][0]["status"]), (&Value::from("resolved"), &Value::from("resolved")), "{over}");
    assert_eq!(&over["alerts"][0]["labels"], labels, "labels never change");
    assert_eq!(receiver.got().len(), told + 1);
    run.terminate();
}

#[test]
fn an_alert_that_a_person_ends_is_ended_and_one_that_alertmanager_forgot_is_told_again() {
    let receiver = Receiver::up();
    let mut alertmanager = Alertmanager::start(&receiver);
    let home = Home::new(&settings(&format!("[tell.alertmanager]\nurl = \"{}\"\n", alertmanager.url())));
    let run = home.run();
    let mut story = Story::begin();
    story.break_down(&run, &["cart"]);
    run.wait_until("it is told", PATIENCE, |run| states(run, "alertmanager") == ["delivered"]);
    until("the receiver has it", PATIENCE, || !receiver.got().is_empty());
    // Alertmanager loses all it knew; ours is sent again within the minute.
    alertmanager.agent = None;
    std::fs::remove_dir_all(alertmanager.folder.path().join("data")).unwrap();
    alertmanager.begin();
    until("it is there again", PATIENCE, || alertmanager.alerts().len() == 1);
    let id = opened(&run)["id"].as_str().unwrap().to_owned();
    let closed = run.post(&format!("/api/v1/investigations/{id}/close"), &serde_json::json!({ "reason": "false_alarm" }));
    assert_eq!(closed["status"], "closed", "{closed}");
    until("it is over", PATIENCE, || alertmanager.alerts().is_empty());
    run.terminate();
}

#[test]
fn a_test_of_the_command_line_reaches_the_receiver_behind_a_real_alertmanager() {
    let receiver = Receiver::up();
    let alertmanager = Alertmanager::start(&receiver);
    let home = Home::new(&settings(&format!("[tell.alertmanager]\nurl = \"{}\"\n", alertmanager.url())));
    for (arguments, answer) in [(&[][..], "Alertmanager 0."), (&["--test"], "took a test notification")] {
        let output = home.command("tell").args(arguments).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success() && said.contains(answer), "{said}{}", String::from_utf8_lossy(&output.stderr));
    }
    until("the receiver has it", PATIENCE, || !receiver.got().is_empty());
    assert_eq!(receiver.got()[0].json()["alerts"][0]["labels"]["alertname"], "WhydunitTest");
}
