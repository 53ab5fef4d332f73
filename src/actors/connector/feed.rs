//! What a connector's feed says, and what becomes of the connector.

use actix::{ActorFutureExt, AsyncContext, Context, WrapFuture};
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::ReceiverStream;

use super::ConnectorStage;
use crate::actors::messages::SourceEnded;
use crate::clock;
use crate::engine::resilience::guard::Pause;
use crate::model::Timestamp;
use crate::model::connector::{BreakerState, ConnectorState};
use crate::model::ports::{AssignedPartition, FeedMessage, FeedTrouble};
use crate::model::position::PartitionKey;

impl ConnectorStage {
    /// A message of a feed; those of one that was given up are old news.
    pub(super) fn heard(&mut self, number: u32, message: FeedMessage, ctx: &mut Context<Self>) {
        if number != self.feed_number || self.feed.is_none() {
            return;
        }
        match message {
            FeedMessage::Batch(batch) => self.batch(batch, ctx),
            FeedMessage::Assigned(partitions) => self.assigned(&partitions),
            FeedMessage::Revoked(partitions) => self.revoked(&partitions),
            FeedMessage::Trouble(trouble) => self.trouble(&trouble),
            FeedMessage::Notice(notice) => self.notice(&notice),
            FeedMessage::Ended { reason } => self.ended(reason, ctx),
        }
    }

    pub(super) fn connect(&mut self, ctx: &mut Context<Self>) {
        self.retry_at = None;
        match (self.start_feed)(self.kept.books.clone()) {
            Ok((messages, control)) => {
                if self.pause() == Some(Pause::ByPerson) {
                    control.pause();
                }
                let number = self.feed_number;
                self.wiring.status.feed_started(&self.name);
                self.wiring.pace.started(&self.name, control.clone());
                self.feed = Some(control);
                // A reader that is gone without a word (it panicked) must be noticed; after its last word this one is old news.
                let without_a_word = FeedMessage::Ended { reason: Some("the reader ended without saying why".to_owned()) };
                let messages = ReceiverStream::new(messages).chain(tokio_stream::once(without_a_word));
                ctx.add_stream(messages.map(move |message| (number, message)));
            }
            Err(trouble) => self.failed(&trouble),
        }
    }

    /// The feed is gone or could not start: wait, then try again, unless only a person can help.
    fn failed(&mut self, trouble: &FeedTrouble) {
        let now = clock::now();
        tracing::warn!(connector = &*self.name, class = trouble.class, message = trouble.message, "feed failed");
        self.lose_feed();
        self.note_error(trouble, now);
        if trouble.permanent {
            self.guard(|guard| guard.breaker.trip(now, &trouble.message, None, true));
            self.wait_for_breaker();
            return;
        }
        self.retry_at = self.guard(|guard| guard.failed(now, &trouble.message));
        let state = if self.breaker() == BreakerState::Open { ConnectorState::Open } else { ConnectorState::BackingOff };
        self.state(state, &trouble.message);
    }

    /// The feed is no more. Its partitions are not known until another one names them.
    pub(super) fn lose_feed(&mut self) {
        if let Some(feed) = self.feed.take() {
            feed.stop();
        }
        self.feed_number += 1;
        self.assigned = 0;
        self.missing.clear();
        self.troubled = false;
        self.wiring.pace.ended(&self.name);
        self.unread_since.get_or_insert_with(clock::now);
        self.watermark(|watermark| {
            watermark.give_up(&self.name);
            watermark.expect(&self.name);
        });
    }

    pub(super) fn note_error(&self, trouble: &FeedTrouble, now: Timestamp) {
        self.wiring.status.update(&self.name, |status| {
            status.last_error = Some(format!("{}: {}", trouble.class, trouble.message));
            status.last_error_at = Some(now);
        });
    }

    /// A trouble that the feed itself goes on trying to get over.
    fn trouble(&mut self, trouble: &FeedTrouble) {
        let now = clock::now();
        if trouble.recovered {
            self.recovered(trouble, now);
            return;
        }
        tracing::warn!(connector = &*self.name, class = trouble.class, message = trouble.message, "trouble with the feed");
        self.note_error(trouble, now);
        if trouble.permanent {
            self.failed(trouble);
            return;
        }
        if let Some(topic) = &trouble.topic {
            self.missing.insert(topic.clone());
            self.topic_is_missing(&trouble.message);
            return;
        }
        self.troubled = true;
        self.guard(|guard| guard.breaker.failed(now, &trouble.message));
        if self.breaker() == BreakerState::Open {
            self.lose_feed();
            self.wait_for_breaker();
            return;
        }
        match trouble.class.as_str() {
            // Nothing is there to wait for.
            "unknown_topic" => self.watermark(|watermark| watermark.give_up(&self.name)),
            _ => self.unread_from(now),
        }
        self.state(ConnectorState::BackingOff, &trouble.message);
    }

    /// One of the topics is not there. What is read of the others goes on.
    fn topic_is_missing(&self, message: &str) {
        if self.assigned > 0 {
            self.well_but();
            return;
        }
        // Nothing is there to wait for.
        self.watermark(|watermark| watermark.give_up(&self.name));
        let because = if self.missing.len() > 1 { self.missing_topics() } else { message.to_owned() };
        self.state(ConnectorState::BackingOff, &because);
    }

    fn missing_topics(&self) -> String {
        let names: Vec<_> = self.missing.iter().map(String::as_str).collect();
        match names.as_slice() {
            [] => String::new(),
            [one] => format!("topic {one} is not there; looked for again at every metadata refresh"),
            _ => format!("topics {} are not there; looked for again at every metadata refresh", names.join(", ")),
        }
    }

    fn recovered(&mut self, trouble: &FeedTrouble, now: Timestamp) {
        let was_missing = trouble.topic.as_ref().is_some_and(|topic| self.missing.remove(topic));
        if was_missing && self.assigned == 0 && !self.missing.is_empty() {
            self.topic_is_missing(&trouble.message);
            return;
        }
        if !was_missing {
            self.guard(|guard| guard.succeeded(now));
            self.troubled = false;
        }
        self.well();
    }

    /// Something a person must know, while all goes on.
    fn notice(&self, notice: &FeedTrouble) {
        tracing::warn!(connector = &*self.name, class = notice.class, message = notice.message, "noticed by the feed");
        self.note_error(notice, clock::now());
    }

    /// Nothing of it is read from now on, although there is a feed.
    pub(super) fn unread_from(&mut self, now: Timestamp) {
        self.unread_since.get_or_insert(now);
        self.watermark(|watermark| watermark.unread(&self.name));
    }

    pub(super) fn well(&mut self) {
        if self.pause().is_none() {
            self.unread_since = None;
            self.watermark(|watermark| watermark.read_again(&self.name, clock::now()));
        }
        self.well_but();
    }

    /// Reads what it can; says what it cannot.
    fn well_but(&self) {
        let missing = self.missing_topics();
        match (self.pause(), self.breaker()) {
            (Some(pause), _) => self.state(ConnectorState::Paused, pause.sentence()),
            (None, BreakerState::HalfOpen) => {
                self.state(ConnectorState::HalfOpen, &format!("trying a few batches after its breaker was open. {missing}"));
            }
            (None, _) => self.state(ConnectorState::Running, &missing),
        }
    }

    fn assigned(&mut self, partitions: &[AssignedPartition]) {
        let now = clock::now();
        tracing::info!(connector = &*self.name, partitions = partitions.len(), "partitions assigned");
        let drives = self.source.drives_watermark();
        let keys = partitions
            .iter()
            .map(|partition| (partition.key.clone(), partition.end_offset >= 0 && partition.start_offset >= partition.end_offset));
        self.watermark(|watermark| watermark.assigned(&self.name, drives, keys, now));
        let mut books = self.kept.books.lock();
        partitions.iter().for_each(|partition| books.assigned(&self.name, partition));
        drop(books);
        self.assigned += partitions.len();
        self.troubled = false;
        self.guard(|guard| guard.succeeded(now));
        self.wiring.status.note_activity();
        self.wiring.status.update(&self.name, |status| status.assigned_partitions = self.assigned as u32);
        self.well();
    }

    fn revoked(&mut self, partitions: &[PartitionKey]) {
        tracing::info!(connector = &*self.name, partitions = partitions.len(), "partitions taken away");
        self.watermark(|watermark| watermark.revoked(&self.name, partitions, clock::now()));
        self.assigned = self.assigned.saturating_sub(partitions.len());
        let left = self.assigned;
        self.wiring.status.update(&self.name, |status| status.assigned_partitions = left as u32);
        if left == 0 && self.pause().is_none() {
            let because = "no partition is assigned: the broker does not answer, or the group gave them to another member; asking again";
            self.state(ConnectorState::Connecting, because);
        }
    }

    fn ended(&mut self, reason: Option<String>, ctx: &mut Context<Self>) {
        match reason {
            None => {
                self.feed = None;
                self.wiring.pace.ended(&self.name);
                self.watermark(|watermark| watermark.finished(&self.name));
                self.wiring.status.note_activity();
                self.state(ConnectorState::Stopped, "read to its end");
                self.advance(ctx);
                // After the advance, in the order of waiting.
                let ended = self.wiring.ended.send(SourceEnded { name: self.name.to_string() });
                ctx.wait(ended.into_actor(self).map(|_, _, _| ()));
            }
            Some(message) => self.failed(&FeedTrouble::passing("feed_ended", message)),
        }
    }
}
