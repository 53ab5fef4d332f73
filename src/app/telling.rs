//! Telling people: the channels of the settings, and a thread of its own that tells them.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio::sync::{oneshot, watch};

use crate::actors::notifier::{Notifier, Office};
use crate::clock;
use crate::engine::tell::Telling;
use crate::kafka::producer::SingleProducer;
use crate::model::Severity;
use crate::model::notification::{Notification, NotificationKind, Outgoing};
use crate::model::ports::{Outlet, Tell};
use crate::outlets::{Alertmanager, Kafka, Problem, Webhook};
use crate::settings::Settings;

/// A notifier that panicked begins anew after this.
const BEGIN_AGAIN: Duration = Duration::from_secs(1);

/// The channels that settings name.
///
/// # Errors
/// One that cannot work.
pub fn outlets(settings: &Settings) -> anyhow::Result<Vec<Arc<dyn Outlet>>> {
    let said = |(key, reason): Problem| anyhow::anyhow!("tell.{key}: {reason}");
    let mut outlets: Vec<Arc<dyn Outlet>> = Vec::new();
    if let Some(alertmanager) = Alertmanager::new(&settings.tell).map_err(said)? {
        outlets.push(Arc::new(alertmanager));
    }
    if let Some(webhook) = Webhook::new(&settings.tell).map_err(said)? {
        outlets.push(Arc::new(webhook));
    }
    if let Some(topic) = &settings.tell.kafka.topic {
        let producer = SingleProducer::new(&settings.kafka, Duration::from_millis(settings.tell.timeout_ms));
        outlets.push(Arc::new(Kafka::new(topic, Arc::new(producer))));
    }
    Ok(outlets)
}

/// What decides what these are told; `None` where there is nobody to tell.
pub fn telling(settings: &Settings, outlets: &[Arc<dyn Outlet>]) -> Option<Arc<dyn Tell>> {
    let channels: Vec<String> = outlets.iter().map(|outlet| outlet.name().to_owned()).collect();
    let page_url = settings.page_url();
    (!channels.is_empty()).then(|| Arc::new(Telling { channels, page_url, max_age_s: settings.tell.max_age_s }) as Arc<dyn Tell>)
}

/// The thread that tells.
#[derive(Debug)]
pub struct Teller {
    stop: watch::Sender<bool>,
    /// Dropped by the thread at its end.
    ended: oneshot::Receiver<()>,
}

impl Teller {
    /// Starts a notifier for each channel. `office` is given what tells it to stop.
    ///
    /// # Errors
    /// What the system says against a thread.
    pub fn start(outlets: Vec<Arc<dyn Outlet>>, office: impl FnOnce(watch::Receiver<bool>) -> Office) -> anyhow::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (stop, stopped) = watch::channel(false);
        let (alive, ended) = oneshot::channel();
        let office = office(stopped);
        std::thread::Builder::new()
            .name("tell".to_owned())
            .spawn(move || {
                let _alive: oneshot::Sender<()> = alive;
                runtime.block_on(async {
                    let mut known: Vec<_> = outlets.iter().map(|outlet| outlet.name()).collect();
                    known.sort_unstable();
                    let mut tasks = vec![tokio::spawn(office.clone().give_up_strangers(known))];
                    tasks.extend(outlets.into_iter().map(|outlet| tokio::spawn(again_and_again(office.clone(), outlet))));
                    for task in tasks {
                        // Each has caught its own panics.
                        let _ = task.await;
                    }
                });
                // A receiver that does not answer is not waited for.
                runtime.shutdown_background();
            })
            .context("starting the thread that tells people")?;
        Ok(Self { stop, ended })
    }

    /// Takes nothing more, and waits until what is being sent has ended and is booked, but no longer than `patience`.
    pub async fn stop(&mut self, patience: Duration) {
        self.stop.send_replace(true);
        if tokio::time::timeout(patience, &mut self.ended).await.is_err() {
            tracing::warn!("a notification is still on its way; where its receiver had it, it gets it once more after the next start");
        }
    }
}

/// A panic costs what was in hand, which is still in the outbox.
async fn again_and_again(office: Office, outlet: Arc<dyn Outlet>) {
    while let Err(panic) = tokio::spawn(Notifier::new(office.clone(), outlet.clone()).run()).await {
        tracing::error!(channel = outlet.name(), %panic, "the notifier of a channel panicked; it begins anew");
        tokio::time::sleep(BEGIN_AGAIN).await;
    }
}

/// What was found of one channel.
#[derive(Clone, Debug)]
pub struct ChannelReport {
    pub name: &'static str,
    pub target: String,
    pub found: Result<String, String>,
}

impl std::fmt::Display for ChannelReport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (is_ok, said) = match &self.found {
            Ok(said) => ("ok", said),
            Err(reason) => ("NOT OK", reason),
        };
        write!(f, "tell.{}: {is_ok} at {}\n  {said}", self.name, self.target)
    }
}

/// Asks every channel whether it is there; with `test` sends each one notification that says it is a test.
///
/// # Errors
/// Settings that cannot work.
pub fn ask(settings: &Settings, test: bool) -> anyhow::Result<Vec<ChannelReport>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut reports = Vec::new();
    for outlet in outlets(settings)? {
        let found = if test {
            let sent = outlet.send(&test_notification(settings)?, clock::now());
            runtime.block_on(sent).map(|()| "took a test notification".to_owned())
        } else {
            runtime.block_on(outlet.check())
        };
        reports.push(ChannelReport { name: outlet.name(), target: outlet.target(), found });
    }
    Ok(reports)
}

fn test_notification(settings: &Settings) -> anyhow::Result<Outgoing> {
    let now = clock::now();
    let notification = Notification {
        id: format!("test-{}", uuid::Uuid::now_v7()),
        investigation_id: "test".to_owned(),
        n: 1,
        kind: NotificationKind::Test,
        at: now,
        title: "a test of whydunit's notifications".to_owned(),
        sentence: "This is a test: nothing is broken. Whoever reads it is told of investigations too.".to_owned(),
        where_sentence: String::new(),
        suspect: None,
        confidence: 0.0,
        severity: Severity::Info,
        severity_at_opening: Severity::Info,
        service: "whydunit".to_owned(),
        environment: String::new(),
        services: Vec::new(),
        started_at: now,
        recovered_at: None,
        merged_into: None,
        link: settings.page_url(),
    };
    let content = serde_json::to_string(&notification)?;
    Ok(Outgoing { seq: 0, notification, content, made_at: now, attempts: 0 })
}
