//! Lines a barrier up that comes from several stages.
//!
//! What a stage sends behind its barrier must not be taken in before the barriers of the others are there: it is put aside, and
//! answered only when it is taken in. A stage waits for that answer, so at most one message of each lies aside.

use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::messages::BarrierPart;

#[derive(Debug)]
pub struct Alignment<M> {
    /// Of each sender, its part of the barrier that is not complete yet.
    parts: Vec<Option<BarrierPart>>,
    aside: Vec<Aside<M>>,
}

#[derive(Debug)]
struct Aside<M> {
    sender: usize,
    message: M,
    since: Instant,
    /// Fires by being dropped.
    taken: oneshot::Sender<()>,
}

impl<M> Alignment<M> {
    pub fn new(senders: usize) -> Self {
        Self { parts: (0..senders).map(|_| None).collect(), aside: Vec::new() }
    }

    /// Whether what the sender says now comes behind a barrier that the others have not reached.
    pub fn is_past(&self, sender: usize) -> bool {
        self.parts.get(sender).is_some_and(Option::is_some)
    }

    /// Keeps a message of a sender that is past; the answer to give once it is taken in.
    pub fn put_aside(&mut self, sender: usize, message: M) -> impl Future<Output = ()> + use<M> {
        let (taken, answer) = oneshot::channel();
        self.aside.push(Aside { sender, message, since: Instant::now(), taken });
        async move {
            // The sender is let go, too, when this stage ends: it finds that out by itself.
            let _ = answer.await;
        }
    }

    /// A sender's barrier; all parts as one with the last of them, and how long messages have waited aside for it.
    pub fn reached(&mut self, sender: usize, part: BarrierPart) -> Option<(BarrierPart, Duration)> {
        *self.parts.get_mut(sender)? = Some(part);
        if self.parts.iter().any(Option::is_none) {
            return None;
        }
        let parts = self.parts.iter_mut().filter_map(Option::take);
        let whole = parts.reduce(|mut whole, part| {
            whole.seen_before.extend(part.seen_before);
            whole
        });
        let waited = self.aside.iter().map(|aside| aside.since.elapsed()).max().unwrap_or_default();
        whole.map(|whole| (whole, waited))
    }

    /// The next message that need not wait any more; its sender is answered when the second half is dropped.
    pub fn take_up(&mut self) -> Option<(M, oneshot::Sender<()>)> {
        let index = self.aside.iter().position(|aside| !self.is_past(aside.sender))?;
        let Aside { message, taken, .. } = self.aside.remove(index);
        Some((message, taken))
    }
}
