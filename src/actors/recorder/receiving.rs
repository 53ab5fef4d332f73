//! Records that come without Kafka: many requests in one transaction, each answered when that is durable.

use std::collections::BTreeMap;
use std::time::Duration;

use actix::{AsyncContext, Context, Handler};
use tokio::sync::{oneshot, watch};

use super::RecorderStage;
use crate::actors::messages::Receive;
use crate::model::Source;
use crate::model::ports::StoreError;
use crate::model::received::{NewRecord, ReceiveError, connector_of};
use crate::telemetry::metrics::metrics;

/// Bytes of waiting requests that make a transaction large enough.
const FULL_BYTES: u64 = 8 << 20;
/// A disk that takes this takes small requests.
const PROBE_BYTES: u64 = 64 << 10;
/// Pause between two pieces of a removal, so that writes come between.
const REMOVE_GAP: Duration = Duration::from_millis(5);
/// A disk in trouble comes first.
const REMOVE_WAIT: Duration = Duration::from_secs(1);

/// How much may wait, and who is told of news. Shared by the recorder, which writes, and the feeds, which read.
#[derive(Clone, Debug)]
pub struct Intake {
    limit: u64,
    news: watch::Sender<u64>,
}

impl Default for Intake {
    /// Takes nothing.
    fn default() -> Self {
        Self::new(0)
    }
}

impl Intake {
    /// `limit`: bytes of one source that may wait.
    pub fn new(limit: u64) -> Self {
        Self { limit, news: watch::Sender::new(0) }
    }

    /// Changes whenever records were stored.
    pub fn news(&self) -> watch::Receiver<u64> {
        self.news.subscribe()
    }
}

type Answer = oneshot::Sender<Result<(), ReceiveError>>;

/// What the recorder knows of them.
#[derive(Debug, Default)]
pub(super) struct Receiving {
    intake: Intake,
    /// Bytes by connector that are stored or about to be, and not removed.
    waiting: BTreeMap<String, u64>,
    /// Of the requests whose records are pending.
    answers: Vec<Answer>,
    pending_bytes: u64,
    /// The most that was refused at once since the store last took something, bytes.
    refused_bytes: u64,
    is_removing: bool,
}

impl Receiving {
    pub fn new(intake: Intake, waiting: Vec<(String, u64)>) -> Self {
        for (connector, bytes) in &waiting {
            metrics().ingest_waiting(connector, *bytes);
        }
        Self { intake, waiting: waiting.into_iter().collect(), ..Self::default() }
    }

    /// Room for all of a request, or none of it.
    fn admit(&mut self, records: &[NewRecord]) -> Result<u64, ReceiveError> {
        let by_source = bytes_by_source(records);
        for (connector, bytes) in by_source.iter().copied() {
            let waiting = self.waiting.get(connector).copied().unwrap_or_default();
            if waiting + bytes > self.intake.limit {
                return Err(ReceiveError::Full { connector, waiting, limit: self.intake.limit });
            }
        }
        for (connector, bytes) in &by_source {
            *self.waiting.entry((*connector).to_owned()).or_default() += bytes;
        }
        Ok(by_source.iter().map(|(_, bytes)| bytes).sum())
    }

    pub const fn is_full(&self) -> bool {
        self.pending_bytes >= FULL_BYTES
    }

    /// With room for so many bytes the next to come will find room.
    pub fn refused_bytes(&self) -> u64 {
        self.refused_bytes.max(PROBE_BYTES)
    }

    /// Somebody is told when what is pending is durable.
    pub const fn is_waited_for(&self) -> bool {
        !self.answers.is_empty()
    }

    /// They are durable.
    pub fn stored(&mut self) {
        self.refused_bytes = 0;
        if self.answers.is_empty() {
            return;
        }
        self.pending_bytes = 0;
        for answer in self.answers.drain(..) {
            // One who is gone sends again.
            let _ = answer.send(Ok(()));
        }
        self.intake.news.send_modify(|news| *news = news.wrapping_add(1));
        self.tell();
    }

    /// The store does not take them now: whoever sent them keeps them and sends again.
    pub fn refuse(&mut self, records: Vec<NewRecord>, error: &StoreError) {
        for (connector, bytes) in bytes_by_source(&records) {
            self.freed(connector, bytes);
        }
        self.refused_bytes = self.refused_bytes.max(std::mem::take(&mut self.pending_bytes));
        for answer in self.answers.drain(..) {
            let _ = answer.send(Err(ReceiveError::Unavailable(error.to_string())));
        }
    }

    fn freed(&mut self, connector: &str, bytes: u64) {
        if let Some(waiting) = self.waiting.get_mut(connector) {
            *waiting = waiting.saturating_sub(bytes);
        }
    }

    fn tell(&self) {
        self.waiting.iter().for_each(|(connector, bytes)| metrics().ingest_waiting(connector, *bytes));
    }
}

fn bytes_by_source(records: &[NewRecord]) -> Vec<(&'static str, u64)> {
    let bytes = |source| records.iter().filter(|record| record.source == source).map(NewRecord::size_bytes).sum();
    Source::ALL.map(|source| (connector_of(source), bytes(source))).into_iter().filter(|(_, bytes)| *bytes > 0).collect()
}

impl RecorderStage {
    /// Removes what the checkpoint in force is past, a piece at a time between the writes.
    pub(super) fn remove_received(&mut self, ctx: &mut Context<Self>) {
        if !self.receiving.is_removing {
            self.receiving.is_removing = true;
            ctx.run_later(REMOVE_GAP, Self::remove_piece);
        }
    }

    fn remove_piece(&mut self, ctx: &mut Context<Self>) {
        if self.backoff.attempt() > 0 {
            ctx.run_later(REMOVE_WAIT, Self::remove_piece);
            return;
        }
        match self.writer.remove_received() {
            Ok(removed) => {
                removed.bytes.iter().for_each(|(connector, bytes)| self.receiving.freed(connector, *bytes));
                if removed.more {
                    ctx.run_later(REMOVE_GAP, Self::remove_piece);
                } else {
                    self.receiving.is_removing = false;
                    self.receiving.tell();
                }
            }
            Err(error) => {
                tracing::warn!(%error, "records that are read are not removed yet; tried again");
                ctx.run_later(REMOVE_WAIT, Self::remove_piece);
            }
        }
    }
}

impl Handler<Receive> for RecorderStage {
    type Result = ();

    fn handle(&mut self, Receive { records, answer }: Receive, ctx: &mut Self::Context) {
        // Whoever no longer waits for the answer sends again.
        if answer.is_closed() {
            return;
        }
        match self.receiving.admit(&records) {
            Ok(bytes) => {
                self.receiving.pending_bytes += bytes;
                self.receiving.answers.push(answer);
                self.pending.received.extend(records);
                self.messages += 1;
            }
            Err(full) => {
                let _ = answer.send(Err(full));
                return;
            }
        }
        if self.is_full() || self.receiving.is_full() {
            self.flush(ctx);
        } else {
            self.schedule(ctx);
        }
    }
}
