//! A simulated consumer: the task behind a feed.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;
use whydunit::model::ports::{AssignedPartition, FeedMessage, FeedTrouble, StoredOffsets};
use whydunit::model::record::RecordBatch;

use crate::broker::{Broker, Control};
use crate::faults::{Fault, Seam};
use crate::mutations::Mutation;

/// A partition of the consumer's.
#[derive(Clone, Debug)]
pub struct Owned {
    pub partition: usize,
    pub life: usize,
    pub next: i64,
    /// The connector knows that this is the end.
    pub end_told: bool,
    /// Taken away by a rebalance until then.
    pub away_until: Option<Instant>,
}

pub struct Consumer {
    broker: Arc<Broker>,
    connector: usize,
    name: Arc<str>,
    offsets: Arc<dyn StoredOffsets>,
    sender: mpsc::Sender<FeedMessage>,
    control: Arc<Control>,
    owned: Vec<Owned>,
    turn: usize,
}

/// The feed's end: nobody listens, or nothing is left to say.
struct Over;

impl Consumer {
    pub fn new(
        broker: Arc<Broker>,
        connector: usize,
        offsets: Arc<dyn StoredOffsets>,
        sender: mpsc::Sender<FeedMessage>,
        control: Arc<Control>,
    ) -> Self {
        let name = broker.world.connectors[connector].name.clone();
        Self { broker, connector, name, offsets, sender, control, owned: Vec::new(), turn: 0 }
    }

    pub async fn run(mut self) {
        let partitions = (0..self.broker.world.partitions.len()).filter(|index| self.broker.log(*index).connector == self.connector);
        let partitions: Vec<usize> = partitions.collect();
        let _ = self.read(partitions).await;
    }

    async fn read(&mut self, partitions: Vec<usize>) -> Result<(), Over> {
        self.assign(partitions).await?;
        while !self.control.stopped.load(Ordering::Relaxed) {
            self.come_back().await?;
            self.make_anew().await?;
            if self.broker.people_are_done() && self.owned.iter().all(|owned| owned.end_told && owned.away_until.is_none()) {
                break;
            }
            if !self.batch().await? {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        // What the Kafka consumer says when it was stopped, too.
        self.send(FeedMessage::Ended { reason: None }).await
    }

    /// Places partitions and says so.
    async fn assign(&mut self, partitions: Vec<usize>) -> Result<(), Over> {
        let mut assigned = Vec::new();
        for partition in partitions {
            let owned = self.broker.place(partition, &self.name, &*self.offsets);
            let log = self.broker.log(partition);
            let end_offset = if owned.life + 1 == log.lives.len() { log.lives[owned.life].len() as i64 } else { -1 };
            assigned.push(AssignedPartition {
                key: self.broker.key(partition, owned.life),
                start_offset: owned.next,
                end_offset,
                topic_id: None,
            });
            self.owned.retain(|owned| owned.partition != partition);
            self.owned.push(owned);
        }
        if assigned.is_empty() { Ok(()) } else { self.send(FeedMessage::Assigned(assigned)).await }
    }

    /// Partitions whose time away is over.
    async fn come_back(&mut self) -> Result<(), Over> {
        let now = Instant::now();
        let back = self.owned.iter().filter(|owned| owned.away_until.is_some_and(|until| now >= until));
        let back: Vec<usize> = back.map(|owned| owned.partition).collect();
        self.assign(back).await
    }

    async fn make_anew(&mut self) -> Result<(), Over> {
        let here = self.owned.iter().filter(|owned| owned.away_until.is_none());
        let over: Vec<_> = here.filter(|owned| self.broker.make_anew(owned.partition)).cloned().collect();
        if over.is_empty() {
            return Ok(());
        }
        let keys = over.iter().map(|owned| self.broker.key(owned.partition, owned.life)).collect();
        self.send(FeedMessage::Revoked(keys)).await?;
        self.assign(over.iter().map(|owned| owned.partition).collect()).await
    }

    /// One batch of one or more partitions. False when there is nothing to read now.
    async fn batch(&mut self) -> Result<bool, Over> {
        let injector = self.broker.injector.clone();
        if self.control.paused.load(Ordering::Relaxed) {
            return Ok(false);
        }
        let held_back = self.control.held_back.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let has_more = |owned: &Owned| match owned.life + 1 == self.broker.log(owned.partition).lives.len() {
            true => !owned.end_told,
            false => (owned.next as usize) < self.broker.log(owned.partition).lives[owned.life].len(),
        };
        let ready = self.owned.iter().enumerate().filter(|(_, owned)| {
            owned.away_until.is_none() && has_more(owned) && !held_back.contains(&self.broker.key(owned.partition, owned.life))
        });
        let mut ready: Vec<usize> = ready.map(|(index, _)| index).collect();
        if ready.is_empty() {
            return Ok(false);
        }
        let mut batch = RecordBatch::new(self.name.clone(), self.broker.world.connectors[self.connector].source);
        let partitions = if injector.chance(0.5) { 1 } else { ready.len() };
        for _ in 0..partitions {
            let pick = if injector.style.in_turn { self.turn % ready.len() } else { injector.below(ready.len() as u64) as usize };
            self.turn += 1;
            let limit = if injector.style.in_turn {
                injector.style.batch_records
            } else {
                1 + injector.below(injector.style.batch_records as u64) as usize
            };
            let index = ready.swap_remove(pick);
            self.broker.fill(&mut batch, &mut self.owned[index], limit);
        }
        if injector.style.delay_ms > 0 {
            tokio::time::sleep(Duration::from_millis(injector.below(injector.style.delay_ms))).await;
        }
        self.send(FeedMessage::Batch(batch)).await?;
        Ok(true)
    }

    /// A message into the channel, and what may go wrong right after it.
    async fn send(&mut self, message: FeedMessage) -> Result<(), Over> {
        let broker = self.broker.clone();
        broker.injector.tell(|| format!("{} {}", self.name, describe(&message)));
        let is_end = matches!(message, FeedMessage::Ended { .. });
        if broker.mutation == Some(Mutation::DropOnFullQueue) && matches!(message, FeedMessage::Batch(_)) && self.sender.capacity() == 0 {
            return Ok(());
        }
        self.sender.send(message).await.map_err(|_| Over)?;
        let fault = broker.injector.pass(Seam::Message);
        let Some(fault) = fault else { return Ok(()) };
        broker.injector.tell(|| format!("{}  !! {fault:?}", self.name));
        match fault {
            Fault::CrashAtMessage => {
                broker.injector.crash();
                std::future::pending().await
            }
            _ if is_end => Ok(()),
            Fault::FeedEnds => {
                let reason = Some("the broker has had enough, on purpose".to_owned());
                let _ = self.sender.send(FeedMessage::Ended { reason }).await;
                Err(Over)
            }
            Fault::FeedVanishes => Err(Over),
            Fault::Trouble => self.trouble().await,
            _ => self.rebalance().await,
        }
    }

    /// The broker is away for less than the pipeline waits for it.
    async fn trouble(&self) -> Result<(), Over> {
        let message = "connection refused, on purpose".to_owned();
        let trouble = FeedTrouble::passing("broker_unreachable", message);
        self.sender.send(FeedMessage::Trouble(trouble.clone())).await.map_err(|_| Over)?;
        tokio::time::sleep(Duration::from_millis(self.broker.injector.below(40_000))).await;
        self.sender.send(FeedMessage::Trouble(FeedTrouble { recovered: true, ..trouble })).await.map_err(|_| Over)
    }

    /// Some or all partitions are taken away, and come back at the offsets that are stored then.
    async fn rebalance(&mut self) -> Result<(), Over> {
        let injector = self.broker.injector.clone();
        let all = injector.chance(0.5);
        let away_until = Instant::now() + Duration::from_millis(injector.below(20_000) * u64::from(injector.chance(0.5)));
        let mut gone = Vec::new();
        for owned in self.owned.iter_mut().filter(|owned| owned.away_until.is_none()) {
            if all || injector.chance(0.5) {
                owned.away_until = Some(away_until);
                gone.push(self.broker.key(owned.partition, owned.life));
            }
        }
        if gone.is_empty() { Ok(()) } else { self.sender.send(FeedMessage::Revoked(gone)).await.map_err(|_| Over) }
    }
}

fn describe(message: &FeedMessage) -> String {
    match message {
        FeedMessage::Batch(batch) => {
            let parts = batch.partitions.iter().map(|part| {
                format!(
                    "{}/{}#{} to {}{}",
                    part.key.topic,
                    part.key.partition,
                    part.key.incarnation,
                    part.next_offset,
                    if part.at_end { " (end)" } else { "" }
                )
            });
            format!("batch of {}: {}", batch.records.len(), parts.collect::<Vec<_>>().join(", "))
        }
        FeedMessage::Assigned(partitions) => {
            let parts = partitions
                .iter()
                .map(|part| format!("{}/{}#{} from {}", part.key.topic, part.key.partition, part.key.incarnation, part.start_offset));
            format!("assigned {}", parts.collect::<Vec<_>>().join(", "))
        }
        other => format!("{other:?}"),
    }
}
