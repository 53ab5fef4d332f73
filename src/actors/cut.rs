//! Where a checkpoint cuts the stream: between what the sources have booked and queued at the trace joins, and the rest.
//!
//! A source books a batch, tells the watermark and queues the batch at every join, all in one step. A checkpoint reads all books
//! and queues its barrier at every join, in one step too. Steps exclude each other, so what lies before the barrier in every
//! mailbox is what the books say, and no source stops for a checkpoint.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use actix::Recipient;
use actix::dev::RecipientRequest;
use futures_util::future::join_all;
use tokio::sync::oneshot;

use super::barrier::{Barrier, Layer, Stood};
use super::books::SourceBooks;
use super::messages::{BarrierPart, ToJoin};
use crate::engine::correlate::watermark::WatermarkTracker;

/// The trace joins as the sources reach them; clones share their steps.
#[derive(Clone, Debug, Default)]
pub struct Joins {
    recipients: Vec<Recipient<ToJoin>>,
    watermark: Arc<Mutex<WatermarkTracker>>,
    step: Arc<Mutex<()>>,
}

impl Joins {
    pub fn new(recipients: Vec<Recipient<ToJoin>>, watermark: Arc<Mutex<WatermarkTracker>>) -> Self {
        Self { recipients, watermark, step: Arc::default() }
    }

    pub const fn len(&self) -> usize {
        self.recipients.len()
    }

    pub const fn is_empty(&self) -> bool {
        self.recipients.is_empty()
    }

    /// One step of a source: `book` keeps the books and the watermark, and says what each join gets. A source waits for its
    /// delivery before its next step, so each has one message at most in each mailbox.
    pub fn queue(&self, book: impl FnOnce() -> Vec<Option<ToJoin>>) -> Delivery {
        let _step = self.step.lock().unwrap_or_else(PoisonError::into_inner);
        self.send(book())
    }

    fn send(&self, messages: Vec<Option<ToJoin>>) -> Delivery {
        // A clone of one's own has a place in the mailbox whoever else waits for one: it queues now.
        let sends = self.recipients.iter().zip(messages).filter_map(|(join, message)| message.map(|message| join.clone().send(message)));
        Delivery(sends.collect())
    }

    /// The cut of checkpoint `epoch`: all books as they are now, and the barrier behind what they say. `None` where books are
    /// torn.
    pub fn cut(&self, epoch: u64, sources: &[SourceBooks]) -> Option<Cut> {
        let (sender, handed_over) = oneshot::channel();
        let began = Instant::now();
        let step = self.step.lock().ok()?;
        let books: Option<Vec<_>> = sources.iter().map(SourceBooks::rows).collect();
        let watermark = self.watermark.lock().unwrap_or_else(PoisonError::into_inner).state();
        let barrier = Arc::new(Barrier::new(epoch, books?.into_iter().flatten().collect(), watermark, sender));
        let part = || ToJoin::Barrier(BarrierPart { barrier: barrier.clone(), seen_before: Vec::new() });
        let delivery = self.send(self.recipients.iter().map(|_| Some(part())).collect());
        drop(step);
        barrier.stood.note(Layer::Sources, began.elapsed());
        Some(Cut { delivery, handed_over, stood: barrier.stood.clone() })
    }
}

/// A barrier on its way.
#[derive(Debug)]
pub struct Cut {
    pub delivery: Delivery,
    /// Answered when every stage has handed in its changes; an error when one died with the barrier.
    pub handed_over: oneshot::Receiver<()>,
    pub stood: Arc<Stood>,
}

/// What is queued and not taken yet.
#[must_use]
pub struct Delivery(Vec<RecipientRequest<ToJoin>>);

impl std::fmt::Debug for Delivery {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Delivery").field(&self.0.len()).finish()
    }
}

impl Delivery {
    /// There was nothing to send.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether every join took its part.
    pub async fn taken(self) -> bool {
        join_all(self.0).await.iter().all(Result::is_ok)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use actix::{Actor, Arbiter, Context, Handler};

    use super::*;
    use crate::actors::books::QueueBooks;
    use crate::engine::correlate::watermark::Advance;
    use crate::model::Bucket;

    const SOURCES: usize = 12;
    const STEPS: i64 = 200;

    /// Of every source, how far a barrier's books say it was, and how far what came before the barrier.
    type Compared = (Vec<i64>, Vec<i64>);

    /// Compares every barrier's books with what it was told before.
    struct Comparing {
        newest: Vec<i64>,
        barriers: Arc<Mutex<Vec<Compared>>>,
    }

    impl Actor for Comparing {
        type Context = Context<Self>;

        fn started(&mut self, ctx: &mut Self::Context) {
            // Far fewer than there are sources: they wait for each other's places.
            ctx.set_mailbox_capacity(2);
        }
    }

    impl Handler<ToJoin> for Comparing {
        type Result = ();

        fn handle(&mut self, message: ToJoin, _: &mut Self::Context) {
            match message {
                ToJoin::Advance(Advance { first, through }) => self.newest[first.0 as usize] = through.0,
                ToJoin::Barrier(BarrierPart { barrier, .. }) => {
                    let booked = barrier.ledger().iter().map(|row| row.next_offset).collect();
                    self.barriers.lock().unwrap().push((booked, self.newest.clone()));
                }
                ToJoin::Observed { .. } => {}
            }
        }
    }

    #[actix::test]
    async fn what_lies_before_a_barrier_is_what_its_books_say_while_every_source_goes_on() {
        let barriers = Arc::default();
        let starts = (0..2).map(|_| {
            let barriers: Arc<Mutex<_>> = Arc::clone(&barriers);
            Comparing::start_in_arbiter(&Arbiter::new().handle(), |_| Comparing { newest: vec![0; SOURCES], barriers }).recipient()
        });
        let joins = Joins::new(starts.collect(), Arc::default());
        let books: Vec<_> = (0..SOURCES).map(|source| Arc::new(QueueBooks::restore(&format!("source {source}"), &[]))).collect();
        let threads = [Arbiter::new(), Arbiter::new()];
        let mut ends = Vec::new();
        for (source, books) in books.iter().cloned().enumerate() {
            let (joins, (end, ended)) = (joins.clone(), oneshot::channel());
            ends.push(ended);
            threads[source % 2].spawn(async move {
                for step in 1..=STEPS {
                    let advance = Advance { first: Bucket(source as i64), through: Bucket(step) };
                    let delivery = joins.queue(|| {
                        books.lock().next_offset = step;
                        (0..2).map(|_| Some(ToJoin::Advance(advance))).collect()
                    });
                    assert!(delivery.taken().await);
                }
                let _ = end.send(());
            });
        }
        let sources: Vec<_> = books.into_iter().map(SourceBooks::Queue).collect();
        let (mut all, mut cuts) = (join_all(ends), 0);
        while futures_util::FutureExt::now_or_never(&mut all).is_none() {
            assert!(joins.cut(cuts, &sources).unwrap().delivery.taken().await);
            cuts += 1;
        }
        let barriers = barriers.lock().unwrap();
        assert_eq!(barriers.len(), 2 * cuts as usize);
        for (booked, taken) in &*barriers {
            assert_eq!(booked, taken);
        }
        assert!(barriers.iter().any(|(booked, _)| booked.iter().any(|step| (1..STEPS).contains(step))), "some cut fell between two steps");
    }

    #[test]
    fn after_a_panic_in_a_step_nothing_is_cut() {
        let joins = Joins::default();
        let panicking = joins.clone();
        assert!(std::thread::spawn(move || panicking.queue(|| panic!("booking panics, on purpose")).is_empty()).join().is_err());
        assert!(joins.cut(1, &[]).is_none());
    }
}
