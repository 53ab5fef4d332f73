//! Investigations made to order: an alert over HTTP opens one, silence lets it recover, and a line of later closes their buckets.

use std::time::Duration;

use serde_json::{Value, json};
use whydunit::clock;
use whydunit::model::Timestamp;

use super::receiver::{Receiver, SECRET};
use crate::support::process::Run;

pub const PATIENCE: Duration = Duration::from_secs(120);

/// Settings without Kafka, `tell` behind them.
pub fn settings(tell: &str) -> String {
    format!(
        "[pipeline]\nhistory_teaches_s = 0\ncheckpoint_interval_s = 1\n[web]\nlisten = \"127.0.0.1:0\"\n[ops]\nlisten = \"127.0.0.1:0\"\n{tell}"
    )
}

pub fn webhook(receiver: &Receiver) -> String {
    format!(
        "[tell]\npage_url = \"https://whydunit.example.org/\"\n[tell.webhook]\nurl = \"http://{}/hook\"\nsecret = \"{SECRET}\"\n",
        receiver.address()
    )
}

/// Event time of the story: it begins a while ago, so that each step may be later than the last.
pub struct Story {
    at: Timestamp,
}

impl Story {
    pub fn begin() -> Self {
        Self { at: clock::now().plus_seconds(-1_500) }
    }

    fn post(run: &Run, source: &str, body: &Value) {
        let answer = run.post(&format!("/ingest/{source}"), body);
        assert!(answer["records"].is_u64(), "{answer}: {}", run.said());
    }

    /// Alertmanager says that services break: each is an investigation of its own.
    pub fn break_down(&mut self, run: &Run, services: &[&str]) {
        // The first line says where time stands.
        self.pass(run, 0);
        let alert = |service: &&str| {
            json!({
                "status": "firing",
                "labels": { "alertname": "HighErrors", "service": service, "severity": "critical", "environment": "production" },
                "annotations": { "summary": format!("{service} fails") },
                "startsAt": self.at,
                "fingerprint": format!("of-{service}"),
            })
        };
        let alerts: Vec<Value> = services.iter().map(alert).collect();
        Self::post(run, "manual", &json!({ "version": "4", "status": "firing", "receiver": "whydunit", "alerts": alerts }));
        self.pass(run, 60);
    }

    /// Nothing more is heard of them: whatever is open has recovered.
    pub fn quieten(&mut self, run: &Run) {
        self.pass(run, 240);
    }

    /// So many seconds later something else is heard: the buckets before it are closed.
    pub fn pass(&mut self, run: &Run, seconds: i64) {
        self.at = self.at.plus_seconds(seconds);
        let line = json!({ "timestamp": self.at, "level": "info", "message": "parcel handed over", "service": "post", "environment": "production" });
        Self::post(run, "logs", &line);
    }
}

/// What was told, oldest first.
pub fn notifications(run: &Run) -> Vec<Value> {
    run.api("/api/v1/notifications?per_page=100&sort=made_at").as_array().cloned().unwrap_or_default()
}

/// State of each notification's delivery to a channel, oldest first.
pub fn states(run: &Run, channel: &str) -> Vec<String> {
    let of = |notification: &Value| {
        let deliveries = notification["deliveries"].as_array().unwrap();
        deliveries.iter().find(|delivery| delivery["channel"] == channel).map(|delivery| delivery["state"].as_str().unwrap().to_owned())
    };
    notifications(run).iter().filter_map(of).collect()
}
