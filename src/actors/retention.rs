//! Removes what is due between the recorder's writes, a few rows at a time, and says what goes next.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::status::StatusBoard;
use crate::engine::resilience::retention::{RetentionOptions, plan, view};
use crate::model::Timestamp;
use crate::model::ports::{PipelineStatus as _, StoreError, StoreWriter};
use crate::model::retention::{Removal, Removed};
use crate::telemetry::metrics::metrics;

/// Of the writer's time at most a fifth goes into removing.
const REST_FACTOR: u32 = 4;
const SHORTEST_REST: Duration = Duration::from_millis(10);
/// An announcement is logged again after this, seconds.
const SAY_AGAIN_S: i64 = 24 * 3_600;

/// What is left of the running pass, and what was said.
#[derive(Debug)]
pub struct Retention {
    options: RetentionOptions,
    plan: VecDeque<Removal>,
    /// Removed by this pass, by kind.
    pass: BTreeMap<&'static str, Removed>,
    said: BTreeMap<String, Timestamp>,
    status: Arc<StatusBoard>,
}

impl Retention {
    /// `None` when nothing is ever to be removed.
    pub fn new(options: RetentionOptions, status: Arc<StatusBoard>) -> Option<Self> {
        let fresh = || Self { options, plan: VecDeque::new(), pass: BTreeMap::new(), said: BTreeMap::new(), status };
        (!options.removes_nothing()).then(fresh)
    }

    /// One look or one small transaction; returns how long to leave the writer alone.
    pub fn step(&mut self, writer: &mut dyn StoreWriter, now: Timestamp) -> Duration {
        let began = Instant::now();
        let done = match self.plan.front().copied() {
            None => self.look(writer, now),
            Some(removal) => self.remove(writer, &removal, now),
        };
        let interval = Duration::from_secs(u64::from(self.options.interval_s.max(1)));
        match done {
            Ok(true) => SHORTEST_REST.max(began.elapsed() * REST_FACTOR),
            Ok(false) => interval,
            Err(error) => {
                tracing::warn!(%error, "retention waits; nothing is removed meanwhile");
                self.plan.clear();
                interval
            }
        }
    }

    /// `true` when there is something to remove.
    fn look(&mut self, writer: &mut dyn StoreWriter, now: Timestamp) -> Result<bool, StoreError> {
        self.conclude();
        let holdings = writer.holdings(self.options.letters_due_before(now))?;
        let closed = self.status.health().watermark;
        let view = view(&self.options, &holdings, now, closed);
        for announcement in &view.next {
            let is_near = announcement.at.is_none_or(|at| at.seconds_since(now) <= f64::from(self.options.announce_h) * 3_600.0);
            let is_said = self.said.get(&announcement.sentence).is_some_and(|at| now.seconds_since(*at) < SAY_AGAIN_S as f64);
            if is_near && !is_said && announcement.kind == "dead_letters" {
                tracing::warn!(kind = announcement.kind, "{}", announcement.sentence);
                self.said.retain(|_, at| now.seconds_since(*at) < SAY_AGAIN_S as f64);
                self.said.insert(announcement.sentence.clone(), now);
            }
        }
        self.status.retention(view);
        self.plan = plan(&self.options, &holdings, now, closed).into();
        Ok(!self.plan.is_empty())
    }

    fn remove(&mut self, writer: &mut dyn StoreWriter, removal: &Removal, now: Timestamp) -> Result<bool, StoreError> {
        let removed = writer.remove(removal, now)?;
        metrics().retained_no_longer(removal.kind(), removed.count);
        self.pass.entry(removal.kind()).or_default().add(removed);
        if !removed.more {
            self.plan.pop_front();
        }
        // The end of a pass that removed nothing waits for the next look; one that did may have more to do at once.
        let any = self.pass.values().any(|removed| removed.count > 0);
        Ok(!self.plan.is_empty() || any)
    }

    fn conclude(&mut self) {
        for (kind, removed) in std::mem::take(&mut self.pass) {
            if removed.count > 0 {
                tracing::info!(kind, removed = removed.count, bytes = removed.bytes, "retention removed what was too old or too much");
            }
        }
    }
}
