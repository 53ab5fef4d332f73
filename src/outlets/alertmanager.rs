//! Prometheus Alertmanager: one alert an investigation, posted to `/api/v2/alerts`. Its routing, grouping, silences and receivers
//! are the user's.
//!
//! Alertmanager knows an alert by its labels, so they are those of the opening as long as it lives; what changes stands in
//! annotations. It takes an alert for over when it is not sent again before `endsAt`: an open one is sent every minute with an end
//! five minutes ahead, also after a restart, and once more with its true end.

use serde_json::{Value, json};

use super::Problem;
use super::http::{Client, join};
use super::options::{self, Options};
use crate::model::Timestamp;
use crate::model::notification::{Firing, Notification, NotificationKind, Outgoing};
use crate::model::ports::{BoxFuture, Outlet};

pub const NAME: &str = "alertmanager";
/// So long an alert fires without being sent again, seconds: what a restart or a short break of the network takes.
const FIRES_FOR_S: i64 = 300;
const REPEAT_EVERY_S: u32 = 60;
/// Alerts of one request.
const AT_ONCE: usize = 100;

#[derive(Debug)]
pub struct Alertmanager {
    client: Client,
    url: String,
    authorization: Option<String>,
}

impl Alertmanager {
    /// `None` when none is set.
    ///
    /// # Errors
    /// Settings that cannot be used.
    pub fn new(options: &Options) -> Result<Option<Self>, Problem> {
        let Some(url) = options.alertmanager.url.clone() else { return Ok(None) };
        Ok(Some(Self { client: Client::new(options)?, url, authorization: options.alertmanager.authorization.clone() }))
    }

    fn post(&self, alerts: Vec<Value>) -> BoxFuture<Result<(), String>> {
        let headers = self.authorization.iter().map(|value| ("authorization", value.clone())).collect();
        self.client.post(&join(&self.url, "/api/v2/alerts"), headers, Value::Array(alerts).to_string())
    }
}

/// `ended_at` when it is over.
fn alert(notification: &Notification, ended_at: Option<Timestamp>, now: Timestamp) -> Value {
    let Notification { started_at, suspect, .. } = notification;
    let is_test = notification.kind == NotificationKind::Test;
    let ends_at = match ended_at {
        // An end before its beginning is refused, one to come fires on.
        Some(end) => end.min(now).max(started_at.plus_millis(1)),
        None => now.plus_seconds(if is_test { 60 } else { FIRES_FOR_S }),
    };
    let description = [&notification.sentence, &notification.where_sentence].map(String::as_str).join("\n");
    let mut annotations = json!({
        "summary": notification.title,
        "description": description.trim_end(),
        "confidence": format!("{:.2}", notification.confidence),
    });
    if let Some(suspect) = suspect {
        annotations["suspect"] = json!(suspect.entity);
    }
    json!({
        "labels": {
            "alertname": if is_test { "WhydunitTest" } else { "WhydunitInvestigation" },
            "investigation": notification.investigation_id,
            "severity": notification.severity_at_opening,
            "environment": notification.environment,
            "service": notification.service,
        },
        "annotations": annotations,
        "startsAt": started_at,
        "endsAt": ends_at,
        "generatorURL": notification.link,
    })
}

/// When what a notification tells of was over.
fn end_of(notification: &Notification) -> Option<Timestamp> {
    match notification.kind {
        NotificationKind::Recovered => Some(notification.recovered_at.unwrap_or(notification.at)),
        NotificationKind::Merged => Some(notification.at),
        NotificationKind::Opened | NotificationKind::SuspectChanged | NotificationKind::Test => None,
    }
}

impl Outlet for Alertmanager {
    fn name(&self) -> &'static str {
        NAME
    }

    fn target(&self) -> String {
        options::origin(&self.url)
    }

    fn send(&self, outgoing: &Outgoing, now: Timestamp) -> BoxFuture<Result<(), String>> {
        self.post(vec![alert(&outgoing.notification, end_of(&outgoing.notification), now)])
    }

    fn repeat_every_s(&self) -> u32 {
        REPEAT_EVERY_S
    }

    fn repeat(&self, firing: &[Firing], now: Timestamp) -> BoxFuture<Result<(), String>> {
        let posts: Vec<_> = firing
            .chunks(AT_ONCE)
            .map(|some| self.post(some.iter().map(|firing| alert(&firing.notification, firing.ended_at, now)).collect()))
            .collect();
        Box::pin(async move {
            for post in posts {
                post.await?;
            }
            Ok(())
        })
    }

    fn check(&self) -> BoxFuture<Result<String, String>> {
        let (asked, target) = (self.client.get(&join(&self.url, "/api/v2/status"), self.authorization.clone()), self.target());
        Box::pin(async move {
            let (status, text) = asked.await?;
            let said: Value = serde_json::from_str(&text).unwrap_or_default();
            match (status, said["versionInfo"]["version"].as_str()) {
                (200, Some(version)) => Ok(format!("Alertmanager {version}")),
                (401 | 403, _) => Err(format!("{target} answered {status}: set tell.alertmanager.authorization")),
                _ => Err(format!("{target} answers {status}, but not as Alertmanager does under /api/v2/status; is the address right?")),
            }
        })
    }
}
