//! What keeps a connector from reading although it could, and what lets it go on.

use actix::{Context, Handler};

use super::ConnectorStage;
use crate::actors::messages::Steer;
use crate::clock;
use crate::engine::resilience::guard::Pause;
use crate::model::connector::{ConnectorOrder, ConnectorState, ConnectorStatus, KeptPause, OrderBy, PauseChange};
use crate::model::ports::{PipelineStatus as _, WriteBatch};

impl ConnectorStage {
    /// Connects, unless a pause or the breaker says no.
    pub(super) fn connect_if_allowed(&mut self, ctx: &mut Context<Self>) {
        let now = clock::now();
        if let Some(pause) = self.pause().filter(|pause| *pause != Pause::ByPerson) {
            self.pause_for(pause);
        } else if self.guard(|guard| guard.breaker.allows(now)) {
            self.connect(ctx);
        } else {
            self.wait_for_breaker();
        }
    }

    pub(super) fn pause(&self) -> Option<Pause> {
        self.kept.guard().pause.clone()
    }

    /// The breaker is open: says why, and when it is tried again.
    pub(super) fn wait_for_breaker(&mut self) {
        let view = self.kept.guard().breaker.view();
        self.retry_at = view.retry_at;
        let (why, by) = view.history.first().map_or(("", None), |change| (change.why.as_str(), change.by.as_deref()));
        match (view.retry_at, by) {
            (Some(_), _) => self.state(ConnectorState::Open, why),
            (None, Some(who)) => {
                self.state(ConnectorState::Open, &format!("its breaker was opened by {who}: {why}; it stays open until it is reset"));
            }
            (None, None) => self.state(ConnectorState::Stopped, why),
        }
        if view.retry_at.is_none() {
            self.hold_nobody_up();
        }
    }

    /// Nothing will come for as long as nobody says so: the others do not wait for it.
    fn hold_nobody_up(&mut self) {
        self.unread_since = None;
        self.watermark(|watermark| watermark.give_up(&self.name));
    }

    /// Stops reading with the offset held: what the feed has fetched and nobody has taken in is forgotten, and read again.
    pub(super) fn pause_for(&mut self, pause: Pause) {
        tracing::warn!(connector = &*self.name, because = pause.sentence(), "paused");
        self.lose_feed();
        self.hold_nobody_up();
        self.retry_at = None;
        self.state(ConnectorState::Paused, pause.sentence());
        let is_known = self.guard(|guard| guard.pause.replace(pause.clone()) == Some(pause.clone()));
        if let (Pause::WrongTopic(reason), false) = (pause, is_known) {
            let since = clock::now();
            self.wiring.status.update(&self.name, |status| status.since = Some(since));
            self.keep_pause(Some(KeptPause { since, reason, settings: self.reads() }));
        }
    }

    /// A pause for a wrong topic outlives the process: it holds until a person lets it go on or the settings say something else. Asked
    /// once a process, since from then on the guard knows best.
    pub(super) fn recall_pause(&self) {
        if self.guard(|guard| std::mem::replace(&mut guard.recalled, true) || guard.pause.is_some()) {
            return;
        }
        match self.wiring.reader.pause(&self.name) {
            Ok(Some(kept)) if kept.settings == self.reads() => {
                let KeptPause { since, reason, .. } = kept;
                self.guard(|guard| guard.pause = Some(Pause::WrongTopic(reason)));
                self.state(ConnectorState::Paused, "");
                self.wiring.status.update(&self.name, |status| status.since = Some(since));
            }
            Ok(Some(_)) => self.keep_pause(None),
            Ok(None) => {}
            Err(error) => tracing::warn!(connector = &*self.name, %error, "no look whether it was paused"),
        }
    }

    /// Keeps the pause for the processes after this one, or that there is none. In a task of its own: it may end after this stage.
    fn keep_pause(&self, pause: Option<KeptPause>) {
        let change = PauseChange { connector: self.name.to_string(), pause };
        let send = self.wiring.recorder.send(WriteBatch { pauses: vec![change], ..WriteBatch::default() }.into());
        // Without a recorder the pipeline falls: the guard still knows, and a process that ends before it is written pauses anew.
        actix::spawn(async move {
            let _ = send.await;
        });
    }

    fn reads(&self) -> String {
        let connectors = self.wiring.status.connectors();
        connectors.iter().find(|status| *status.name == *self.name).map(ConnectorStatus::reads).unwrap_or_default()
    }

    /// Asks the store how many bytes of dead letters wait: right after a restart, and after people decided on some.
    pub(super) fn count_letters(&self) {
        match self.wiring.reader.letter_bytes(&self.name) {
            Ok(bytes) => self.guard(|guard| guard.letters.counted(bytes)),
            Err(error) => tracing::warn!(connector = &*self.name, %error, "dead letters not counted"),
        }
        let full = self.guard(|guard| match (&guard.pause, guard.letters.is_reached()) {
            (None, true) => Some(Pause::LettersFull(guard.letters.sentence(&self.name))),
            _ => None,
        });
        if let Some(full) = full {
            self.guard(|guard| guard.pause = Some(full));
        }
    }

    /// Letters were made. Pauses at their cap.
    pub(super) fn letters_made(&mut self, bytes: u64) {
        let reached = self.guard(|guard| {
            guard.letters.made(bytes);
            guard.letters.is_reached()
        });
        if !reached {
            return;
        }
        self.count_letters();
        if let Some(pause @ Pause::LettersFull(_)) = self.pause() {
            self.pause_for(pause);
        }
    }

    /// Goes on by itself once people have made room.
    pub(super) fn go_on_with_letters(&mut self, ctx: &mut Context<Self>) {
        if !matches!(self.pause(), Some(Pause::LettersFull(_))) {
            return;
        }
        self.count_letters();
        let may_go_on = self.guard(|guard| {
            let may = guard.letters.may_go_on();
            if may {
                guard.pause = None;
            }
            may
        });
        if may_go_on {
            self.read_on(ctx);
        }
    }

    fn read_on(&mut self, ctx: &mut Context<Self>) {
        match &self.feed {
            Some(feed) => {
                feed.resume();
                self.well();
            }
            None => {
                self.watermark(|watermark| watermark.expect(&self.name));
                self.state(ConnectorState::Connecting, "connecting again");
                self.connect_if_allowed(ctx);
            }
        }
    }

    fn trip(&mut self, by: &OrderBy) {
        self.guard(|guard| guard.breaker.trip(clock::now(), &by.reason, Some(&by.who), true));
        self.lose_feed();
        self.wait_for_breaker();
    }

    fn reset(&mut self, by: &OrderBy, ctx: &mut Context<Self>) {
        self.guard(|guard| guard.reset(clock::now(), &by.reason, Some(&by.who)));
        if self.feed.is_some() {
            self.well();
        } else if self.pause().is_none_or(|pause| pause == Pause::ByPerson) {
            self.read_on(ctx);
        }
    }

    fn resume(&mut self, ctx: &mut Context<Self>) {
        let before = self.guard(|guard| {
            guard.topic.forgive();
            guard.pause.take()
        });
        if matches!(before, Some(Pause::WrongTopic(_))) {
            self.keep_pause(None);
        }
        self.read_on(ctx);
    }

    fn pause_by_person(&mut self) {
        self.guard(|guard| {
            guard.pause.get_or_insert(Pause::ByPerson);
        });
        self.unread_from(clock::now());
        if let Some(feed) = &self.feed {
            feed.pause();
        }
        if let Some(pause) = self.pause() {
            self.state(ConnectorState::Paused, pause.sentence());
        }
    }
}

impl Handler<Steer> for ConnectorStage {
    type Result = ();

    fn handle(&mut self, Steer { order, by }: Steer, ctx: &mut Self::Context) {
        tracing::info!(connector = &*self.name, order = order.as_str(), who = by.who, reason = by.reason, "steered by a person");
        match order {
            ConnectorOrder::Pause => self.pause_by_person(),
            ConnectorOrder::Resume => self.resume(ctx),
            ConnectorOrder::Trip => self.trip(&by),
            ConnectorOrder::Reset => self.reset(&by, ctx),
        }
    }
}
