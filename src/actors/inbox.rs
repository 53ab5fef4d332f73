//! Stage: reads the inbox, the durable queue of people's writes, like one more partition.

use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, ActorContext, ActorFutureExt, AsyncContext, Context, Handler, MessageResult, Recipient, WrapFuture};

use tokio::sync::Notify;

use super::life_line::LifeLine;
use super::messages::{Hold, Passing, Ping, Stop, ToJoin};
use super::status::StatusBoard;
use crate::engine::detect::ShardInput;
use crate::model::command::{Action, InboxRow};
use crate::model::event::Provenance;
use crate::model::ledger::{INBOX, LedgerRow, LedgerSums};
use crate::model::ports::StoreReader;
use crate::model::position::{PartitionKey, Position};

/// Connector name of the inbox in the ledger.
pub const NAME: &str = INBOX;
/// Format of its records.
const FORMAT: &str = "command";
const ROWS_PER_READ: u32 = 100;
/// Writes announce themselves; this only catches an announcement that was dropped.
const LOOK_EVERY: Duration = Duration::from_secs(5);

pub struct InboxStage {
    reader: Arc<dyn StoreReader>,
    join: Recipient<ToJoin>,
    ledger: LedgerRow,
    /// Fired when a person's write was stored.
    written: Arc<Notify>,
    /// Stopped for a checkpoint, which has the books.
    held: bool,
    status: Arc<StatusBoard>,
    _life: LifeLine,
}

impl std::fmt::Debug for InboxStage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("InboxStage").field("ledger", &self.ledger).finish_non_exhaustive()
    }
}

impl InboxStage {
    /// `ledger` is the inbox's row of the last checkpoint.
    pub fn new(
        reader: Arc<dyn StoreReader>,
        join: Recipient<ToJoin>,
        ledger: Option<LedgerRow>,
        written: Arc<Notify>,
        status: Arc<StatusBoard>,
        life: LifeLine,
    ) -> Self {
        let fresh = || LedgerRow {
            connector: NAME.to_owned(),
            partition: PartitionKey { cluster: "local".into(), topic: NAME.into(), incarnation: 0, partition: 0 },
            first_offset: 0,
            next_offset: 0,
            topic_id: None,
            sums: LedgerSums::default(),
        };
        Self { reader, join, ledger: ledger.unwrap_or_else(fresh), written, held: false, status, _life: life }
    }

    fn look(&mut self, ctx: &mut Context<Self>) {
        if self.held {
            return;
        }
        let rows = match self.reader.inbox(self.ledger.next_offset, ROWS_PER_READ) {
            Ok(rows) => rows,
            Err(error) => {
                tracing::warn!(%error, "inbox not read; trying again");
                return;
            }
        };
        let Some(last) = rows.last() else { return };
        self.status.note_activity();
        self.ledger.next_offset = last.id + 1;
        let full = rows.len() == ROWS_PER_READ as usize;
        let passing = self.booked(rows);
        let message = ToJoin::Observed { input: ShardInput::default(), passing };
        ctx.wait(self.join.send(message).into_actor(self).map(move |result, stage, ctx| match result {
            Ok(()) if full => stage.look(ctx),
            Ok(()) => {}
            Err(_) => ctx.stop(),
        }));
    }

    fn listen(&self, ctx: &mut Context<Self>) {
        let written = self.written.clone();
        let fired = async move { written.notified().await };
        ctx.spawn(fired.into_actor(self).map(|(), stage, ctx| {
            stage.look(ctx);
            stage.listen(ctx);
        }));
    }

    /// Events and commands apart, with the books kept.
    fn booked(&mut self, rows: Vec<InboxRow>) -> Passing {
        let mut passing = Passing::default();
        let sums = &mut self.ledger.sums;
        for row in rows {
            sums.records_read += 1;
            sums.records_decoded += 1;
            sums.items_decoded += 1;
            sums.items_stored += 1;
            match row.command.action {
                Action::CreateEvent { mut event } => {
                    // The books tell items apart by where they come from.
                    let position = Position { partition: self.ledger.partition.clone(), offset: row.id };
                    event.provenance = Some(Provenance { connector: NAME.to_owned(), position, format: FORMAT.to_owned() });
                    passing.events.push(*event);
                }
                _ => passing.commands.push(row),
            }
        }
        passing
    }
}

impl Actor for InboxStage {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.look(ctx);
        self.listen(ctx);
        ctx.run_interval(LOOK_EVERY, Self::look);
    }
}

impl Handler<Hold> for InboxStage {
    type Result = MessageResult<Hold>;

    fn handle(&mut self, hold: Hold, ctx: &mut Self::Context) -> Self::Result {
        self.held = true;
        ctx.wait(hold.resume.into_actor(self).map(|_, stage, ctx| {
            stage.held = false;
            stage.look(ctx);
        }));
        MessageResult(vec![self.ledger.clone()])
    }
}

impl Handler<Ping> for InboxStage {
    type Result = ();

    fn handle(&mut self, _: Ping, _: &mut Self::Context) {}
}

impl Handler<Stop> for InboxStage {
    type Result = ();

    fn handle(&mut self, _: Stop, ctx: &mut Self::Context) {
        ctx.stop();
    }
}
