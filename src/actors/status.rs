//! How every stage fares: written by the stages, read by the API, `/readyz` and `/metrics`.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::model::Timestamp;
use crate::model::connector::{ConnectorState, ConnectorStatus, FormatShare, Health, StageStatus};
use crate::model::observation::ObservationBatch;
use crate::model::ports::PipelineStatus;
use crate::model::retention::RetentionView;

/// Width of one step of the rates, seconds.
const STEP_S: i64 = 10;
/// Steps of the rate history: two minutes.
const STEPS: usize = 12;

#[derive(Debug, Default)]
pub struct StatusBoard {
    inner: Mutex<Inner>,
    /// Batches and commands taken in; unchanged means a checkpoint would write nothing new.
    activity: AtomicU64,
}

#[derive(Debug, Default)]
struct Inner {
    connectors: BTreeMap<String, Connector>,
    stages: BTreeMap<String, StageStatus>,
    /// Reasons by who gave them; empty when all is well.
    troubles: BTreeMap<String, Trouble>,
    started: bool,
    watermark: Option<Timestamp>,
    learning_until: Option<Timestamp>,
    unsaved_since: Option<Timestamp>,
    retention: RetentionView,
}

#[derive(Debug)]
struct Trouble {
    reason: String,
    /// Nothing can be stored or served while it lasts.
    blocks: bool,
    since: Timestamp,
}

impl Inner {
    /// What keeps everything from being stored, with who says so.
    fn blocked(&self) -> Option<(&str, &Trouble)> {
        self.troubles.iter().find(|(_, trouble)| trouble.blocks).map(|(who, trouble)| (who.as_str(), trouble))
    }
}

#[derive(Debug)]
struct Connector {
    status: ConnectorStatus,
    rates: VecDeque<Step>,
    lag: BTreeMap<String, u64>,
    formats: BTreeMap<&'static str, u64>,
    feed_starts: u32,
}

#[derive(Clone, Copy, Debug, Default)]
struct Step {
    number: i64,
    records: u64,
    items: u64,
    rejected: u64,
}

impl StatusBoard {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn register(&self, mut status: ConnectorStatus) {
        status.since.get_or_insert_with(crate::clock::now);
        let entry = Connector { rates: VecDeque::new(), lag: BTreeMap::new(), formats: BTreeMap::new(), feed_starts: 0, status };
        self.inner().connectors.entry(entry.status.name.clone()).or_insert(entry);
    }

    /// Changes one connector's status.
    pub fn update(&self, name: &str, change: impl FnOnce(&mut ConnectorStatus)) {
        if let Some(connector) = self.inner().connectors.get_mut(name) {
            change(&mut connector.status);
        }
    }

    /// A connector's feed started; each time after the first is a restart.
    pub fn feed_started(&self, name: &str) {
        if let Some(connector) = self.inner().connectors.get_mut(name) {
            connector.feed_starts += 1;
            connector.status.restarts = connector.feed_starts - 1;
            connector.status.assigned_partitions = 0;
            connector.lag.clear();
        }
    }

    /// Books a decoded batch.
    pub fn book(&self, batch: &ObservationBatch, now: Timestamp) {
        self.note_activity();
        let mut inner = self.inner();
        let Some(connector) = inner.connectors.get_mut(&*batch.records.connector) else { return };
        let (records, rejected) = (batch.records.records.len() as u64, batch.rejections.len() as u64);
        let items: u64 = batch.counts.iter().map(|counts| counts.items_decoded).sum();
        let step = connector.step(now);
        step.records += records;
        step.items += items;
        step.rejected += rejected;
        for (format, count) in &batch.formats {
            *connector.formats.entry(format).or_default() += count;
        }
        if let Some(clocks) = &batch.clocks {
            connector.status.clock_skew.clone_from(clocks);
        }
        connector.status.wrong_unit_total += batch.wrong_units.iter().map(|found| found.items).sum::<u64>();
        for partition in &batch.records.partitions {
            let lag = u64::try_from(partition.end_offset - partition.next_offset).unwrap_or(0);
            connector.lag.insert(format!("{}/{}", partition.key.topic, partition.key.partition), lag);
        }
        let status = &mut connector.status;
        status.records_total += records;
        status.items_total += items;
        status.rejected_total += rejected;
        status.bytes_total += batch.records.arena.len() as u64;
        status.lag_records = connector.lag.values().sum();
        let newest = batch.newest.iter().flatten().max().copied();
        status.last_event_at = status.last_event_at.max(newest);
        let behind = status.last_event_at.map_or(0.0, |newest| now.seconds_since(newest).max(0.0));
        status.lag_seconds = if status.lag_records == 0 { 0.0 } else { behind };
        if records > 0 {
            status.last_record_at = Some(now);
        }
    }

    pub fn note_activity(&self) {
        self.activity.fetch_add(1, Ordering::Relaxed);
    }

    pub fn activity(&self) -> u64 {
        self.activity.load(Ordering::Relaxed)
    }

    /// There is work that no checkpoint holds, since now unless it was there before.
    pub fn unsaved(&self, now: Timestamp) {
        self.inner().unsaved_since.get_or_insert(now);
    }

    /// A checkpoint holds all that was done before `cut`, when the count of activity was `activity`.
    pub fn saved(&self, cut: Timestamp, activity: u64) {
        self.inner().unsaved_since = (self.activity() > activity).then_some(cut);
    }

    pub fn stage(&self, status: StageStatus) {
        self.inner().stages.insert(status.name.clone(), status);
    }

    pub fn started(&self) {
        self.inner().started = true;
    }

    /// `who` is in trouble until [`StatusBoard::well`]; `blocks` when nothing can be stored or served meanwhile.
    pub fn trouble(&self, who: &str, reason: &str, blocks: bool) {
        let mut inner = self.inner();
        let since = inner.troubles.get(who).map_or_else(crate::clock::now, |trouble| trouble.since);
        inner.troubles.insert(who.to_owned(), Trouble { reason: reason.to_owned(), blocks, since });
    }

    /// Nothing can be stored now: everything waits.
    pub fn is_blocked(&self) -> bool {
        self.inner().blocked().is_some()
    }

    /// Why nothing can be stored now; `None` where it can.
    pub fn blocked(&self) -> Option<String> {
        self.inner().blocked().map(|(who, trouble)| format!("{who}: {}", trouble.reason))
    }

    pub fn well(&self, who: &str) {
        self.inner().troubles.remove(who);
    }

    pub fn watermark(&self, watermark: Option<Timestamp>) {
        let mut inner = self.inner();
        inner.watermark = inner.watermark.max(watermark);
    }

    pub fn retention(&self, view: RetentionView) {
        self.inner().retention = view;
    }

    pub fn learning_until(&self, until: Option<Timestamp>) {
        self.inner().learning_until = until;
    }
}

impl Connector {
    fn step(&mut self, now: Timestamp) -> &mut Step {
        let number = now.seconds().div_euclid(STEP_S);
        if self.rates.back().is_none_or(|step| step.number != number) {
            self.rates.push_back(Step { number, ..Step::default() });
        }
        while self.rates.len() > STEPS + 1 {
            self.rates.pop_front();
        }
        let last = self.rates.len() - 1;
        &mut self.rates[last]
    }

    /// `blocked` is what keeps everything from being stored: then nothing is read either, and the feed's own state says little.
    fn view(&self, now: Timestamp, blocked: Option<(&str, &Trouble)>) -> ConnectorStatus {
        let current = now.seconds().div_euclid(STEP_S);
        let of = |number: i64| self.rates.iter().find(|step| step.number == number).copied().unwrap_or_default();
        // The current step is not over: the last whole one and it together are the recent past.
        let (last, this) = (of(current - 1), of(current));
        let seconds = STEP_S as f64 + (now.seconds().rem_euclid(STEP_S)) as f64;
        let rate = |field: fn(&Step) -> u64| (field(&last) + field(&this)) as f64 / seconds;
        let mut status = self.status.clone();
        if let (Some((who, trouble)), ConnectorState::Running | ConnectorState::Connecting) = (blocked, status.state) {
            status.state = ConnectorState::BackingOff;
            status.because = format!("waits for the {who}: {}", trouble.reason);
            status.since = Some(trouble.since);
        }
        status.rate_in = rate(|step| step.records);
        status.rate_stored = rate(|step| step.items);
        status.rate_rejected = rate(|step| step.rejected);
        status.rate_history = (1..=STEPS as i64).rev().map(|ago| of(current - ago).records as f64 / STEP_S as f64).collect();
        status.decode_mix =
            self.formats.iter().map(|(format, records)| FormatShare { format: (*format).to_owned(), records: *records }).collect();
        status
    }
}

/// Why a connector does not read as it should, and since when.
fn unwell(status: &ConnectorStatus) -> Option<String> {
    if status.state == ConnectorState::Running && status.because.is_empty() {
        return None;
    }
    let since = status.since.map_or_else(String::new, |since| format!(" (since {since})"));
    Some(format!("connector {}: {}{since}", status.name, status.because))
}

impl PipelineStatus for StatusBoard {
    fn connectors(&self) -> Vec<ConnectorStatus> {
        let now = crate::clock::now();
        let inner = self.inner();
        let view = |connector: &Connector| {
            let mut view = connector.view(now, inner.blocked());
            view.stage = inner.stages.get(&format!("connector/{}", view.name)).cloned();
            view
        };
        inner.connectors.values().map(view).collect()
    }

    fn health(&self) -> Health {
        let inner = self.inner();
        let mut reasons: Vec<String> =
            inner.troubles.iter().map(|(who, trouble)| format!("{who}: {} (since {})", trouble.reason, trouble.since)).collect();
        reasons.extend(inner.connectors.values().filter_map(|connector| unwell(&connector.status)));
        if !inner.started {
            reasons.insert(0, "starting".to_owned());
        }
        Health {
            ready: inner.started && inner.blocked().is_none(),
            degraded: !reasons.is_empty(),
            reasons,
            watermark: inner.watermark,
            learning_until: inner.learning_until.filter(|until| inner.watermark.is_none_or(|watermark| watermark < *until)),
            unsaved_since: inner.unsaved_since,
            stages: inner.stages.values().cloned().collect(),
            retention: inner.retention.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Source;

    fn board(state: ConnectorState, because: &str) -> StatusBoard {
        let board = StatusBoard::default();
        let mut status = ConnectorStatus::new("logs", Source::Logs);
        (status.state, status.because) = (state, because.to_owned());
        board.register(status);
        board.started();
        board
    }

    #[test]
    fn while_nothing_can_be_stored_every_connector_says_what_it_waits_for_and_since_when() {
        let board = board(ConnectorState::Running, "");
        assert_eq!((board.health().ready, board.health().degraded), (true, false));
        board.trouble("store", "disk full", true);
        let since = board.connectors()[0].since;
        board.trouble("store", "disk full, still", true);
        let (health, connector) = (board.health(), &board.connectors()[0]);
        assert!(!health.ready && health.reasons.iter().any(|reason| reason.contains("disk full, still (since ")), "{health:?}");
        assert_eq!((connector.state, connector.since), (ConnectorState::BackingOff, since), "the first word counts");
        assert!(since.is_some() && connector.because.contains("waits for the store: disk full"), "{connector:?}");
        board.well("store");
        assert_eq!((board.connectors()[0].state, board.health().ready), (ConnectorState::Running, true));
    }

    #[test]
    fn what_a_person_paused_stays_paused_and_is_said() {
        let board = board(ConnectorState::Paused, "paused by a person");
        board.trouble("store", "disk full", true);
        assert_eq!(board.connectors()[0].because, "paused by a person");
        board.well("store");
        assert!(board.health().reasons[0].starts_with("connector logs: paused by a person (since 2"), "{:?}", board.health());
    }

    #[test]
    fn a_connector_that_has_not_reached_its_broker_is_no_secret() {
        let health = board(ConnectorState::Connecting, "connecting").health();
        assert_eq!((health.ready, health.degraded), (true, true));
        assert!(health.reasons[0].starts_with("connector logs: connecting (since 2"), "{health:?}");
    }
}
