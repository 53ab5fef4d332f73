//! Stage: reads the inbox, the durable queue of people's writes, like one more partition.

use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, ActorContext, ActorFutureExt, AsyncContext, Context, Handler, WrapFuture};

use tokio::sync::Notify;

use super::aliases::SharedAliases;
use super::books::QueueBooks;
use super::cut::Joins;
use super::life_line::LifeLine;
use super::messages::{Hold, Passing, Ping, Stop, ToJoin};
use super::status::StatusBoard;
use crate::engine::detect::ShardInput;
use crate::engine::entities::{self, Aliases, EntityOptions};
use crate::model::command::{Action, InboxRow};
use crate::model::event::Provenance;
use crate::model::ledger::{INBOX, LedgerRow};
use crate::model::ports::StoreReader;
use crate::model::position::Position;

/// Connector name of the inbox in the ledger.
pub const NAME: &str = INBOX;
/// Format of its records.
const FORMAT: &str = "command";
const ROWS_PER_READ: u32 = 100;
/// Writes announce themselves; this only catches an announcement that was dropped.
const LOOK_EVERY: Duration = Duration::from_secs(5);

pub struct InboxStage {
    reader: Arc<dyn StoreReader>,
    joins: Joins,
    books: Arc<QueueBooks>,
    aliases: SharedAliases,
    /// Fired when a person's write was stored.
    written: Arc<Notify>,
    /// Stopped for the last checkpoint.
    held: bool,
    status: Arc<StatusBoard>,
    _life: LifeLine,
}

impl std::fmt::Debug for InboxStage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("InboxStage").field("books", &self.books).finish_non_exhaustive()
    }
}

impl InboxStage {
    pub fn new(
        reader: Arc<dyn StoreReader>,
        joins: Joins,
        books: Arc<QueueBooks>,
        aliases: SharedAliases,
        written: Arc<Notify>,
        status: Arc<StatusBoard>,
        life: LifeLine,
    ) -> Self {
        Self { reader, joins, books, aliases, written, held: false, status, _life: life }
    }

    fn look(&mut self, ctx: &mut Context<Self>) {
        if self.held {
            return;
        }
        let next_offset = self.books.lock().next_offset;
        let rows = match self.reader.inbox(next_offset, ROWS_PER_READ) {
            Ok(rows) => rows,
            Err(error) => {
                tracing::warn!(%error, "inbox not read; trying again");
                return;
            }
        };
        if rows.is_empty() {
            return;
        }
        let full = rows.len() == ROWS_PER_READ as usize;
        let delivery = self.joins.queue(|| {
            self.status.note_activity();
            let passing = booked(rows, &self.aliases.now(), &mut self.books.lock());
            vec![Some(ToJoin::Observed { input: ShardInput::default(), passing })]
        });
        ctx.wait(delivery.taken().into_actor(self).map(move |taken, stage, ctx| match taken {
            true if full => stage.look(ctx),
            true => {}
            false => ctx.stop(),
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
}

/// Events and commands apart, with the books kept.
fn booked(rows: Vec<InboxRow>, aliases: &Aliases, books: &mut LedgerRow) -> Passing {
    let mut passing = Passing::default();
    for row in rows {
        books.next_offset = row.id + 1;
        books.sums.records_read += 1;
        books.sums.records_decoded += 1;
        books.sums.items_decoded += 1;
        books.sums.items_stored += 1;
        match row.command.action {
            Action::CreateEvent { mut event } => {
                // The books tell items apart by where they come from.
                let position = Position { partition: books.partition.clone(), offset: row.id };
                event.provenance = Some(Provenance { connector: NAME.to_owned(), position, format: FORMAT.to_owned() });
                entities::place(&mut event, &EntityOptions::default(), aliases);
                passing.events.push(*event);
            }
            _ => passing.commands.push(row),
        }
    }
    passing
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
    type Result = ();

    fn handle(&mut self, hold: Hold, ctx: &mut Self::Context) {
        self.held = true;
        ctx.wait(hold.resume.into_actor(self).map(|_, stage, ctx| {
            stage.held = false;
            stage.look(ctx);
        }));
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
