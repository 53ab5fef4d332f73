//! Stage: tells the page what changed.

use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, ActorContext, AsyncContext, Context, Handler};

use super::life_line::LifeLine;
use super::messages::{CommandStored, Ping, Stop, Stored};
use super::status::StatusBoard;
use crate::model::command::CommandOutcome;
use crate::model::live::LiveUpdate;
use crate::model::ports::{PipelineStatus, Publish};

/// A silent stream is a broken one: the page expects a heartbeat this often.
const HEARTBEAT: Duration = Duration::from_secs(10);

pub struct BroadcasterStage {
    publish: Arc<dyn Publish>,
    status: Arc<StatusBoard>,
    _life: LifeLine,
}

impl std::fmt::Debug for BroadcasterStage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BroadcasterStage").finish_non_exhaustive()
    }
}

impl BroadcasterStage {
    pub fn new(publish: Arc<dyn Publish>, status: Arc<StatusBoard>, life: LifeLine) -> Self {
        Self { publish, status, _life: life }
    }
}

impl Actor for BroadcasterStage {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.run_interval(HEARTBEAT, |stage, _| {
            let watermark = stage.status.health().watermark;
            stage.publish.publish(LiveUpdate::Heartbeat { watermark });
            stage.publish.publish(LiveUpdate::ConnectorsChanged);
        });
    }
}

impl Handler<Stored> for BroadcasterStage {
    type Result = ();

    fn handle(&mut self, stored: Stored, _: &mut Self::Context) {
        let report = stored.report;
        if report.events_stored > 0 {
            self.publish.publish(LiveUpdate::EventsStored { count: report.events_stored, newest: stored.newest_event });
        }
        if report.letters_stored > 0 {
            self.publish.publish(LiveUpdate::DeadLettersStored { count: report.letters_stored });
        }
        if report.letters_replayed > 0 {
            self.publish.publish(LiveUpdate::LettersReplayed { count: report.letters_replayed });
        }
        for (_, investigation_id) in report.told {
            self.publish.publish(LiveUpdate::NotificationsChanged { investigation_id });
        }
        for (id, revision, version) in report.investigations {
            self.publish.publish(LiveUpdate::InvestigationChanged { id, revision, version });
        }
    }
}

impl Handler<CommandStored> for BroadcasterStage {
    type Result = ();

    fn handle(&mut self, CommandStored(outcome): CommandStored, _: &mut Self::Context) {
        match outcome {
            CommandOutcome::Investigation(investigation) => self.publish.publish(LiveUpdate::InvestigationChanged {
                id: investigation.id,
                revision: investigation.revision,
                version: investigation.version,
            }),
            CommandOutcome::Closed { ids } => {
                ids.into_iter().for_each(|id| self.publish.publish(LiveUpdate::InvestigationChanged { id, revision: 0, version: 0 }));
            }
            CommandOutcome::Note(note) => self.publish.publish(LiveUpdate::NotesChanged { investigation_id: note.investigation_id }),
            CommandOutcome::Letters { count } => self.publish.publish(LiveUpdate::DeadLettersStored { count }),
            CommandOutcome::Event(_) | CommandOutcome::Alias(_) | CommandOutcome::Done => {}
        }
    }
}

impl Handler<Ping> for BroadcasterStage {
    type Result = ();

    fn handle(&mut self, _: Ping, _: &mut Self::Context) {}
}

impl Handler<Stop> for BroadcasterStage {
    type Result = ();

    fn handle(&mut self, _: Stop, ctx: &mut Self::Context) {
        ctx.stop();
    }
}
