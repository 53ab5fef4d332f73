//! Stage: makes letters of what could not be read and hands them to the recorder.

use std::sync::Arc;

use actix::{Actor, ActorContext, ActorFutureExt, AtomicResponse, Context, Handler, Recipient, WrapFuture};

use super::life_line::LifeLine;
use super::messages::{Ping, Record, Rejected, Stop};
use super::status::StatusBoard;
use crate::clock;
use crate::engine::resilience::letters::{letter, letter_without_payload};
use crate::model::ports::WriteBatch;

#[derive(Debug)]
pub struct DeadLetterStage {
    recorder: Recipient<Record>,
    status: Arc<StatusBoard>,
    /// Letters keep the bytes of their records.
    store_payloads: bool,
    _life: LifeLine,
}

impl DeadLetterStage {
    pub const fn new(recorder: Recipient<Record>, status: Arc<StatusBoard>, store_payloads: bool, life: LifeLine) -> Self {
        Self { recorder, status, store_payloads, _life: life }
    }
}

impl Actor for DeadLetterStage {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(super::MAILBOX);
    }
}

impl Handler<Rejected> for DeadLetterStage {
    /// Answered when the recorder has the letters: the connector's offset must not pass them in a checkpoint.
    type Result = AtomicResponse<Self, ()>;

    fn handle(&mut self, rejected: Rejected, _: &mut Self::Context) -> Self::Result {
        let now = clock::now();
        let _span = rejected.trace.stage("dead_letter").entered();
        let letter = if self.store_payloads { letter } else { letter_without_payload };
        let letters: Vec<_> = rejected.rejections.iter().filter_map(|rejection| letter(&rejected.records, rejection, now)).collect();
        if let Some(last) = letters.last() {
            let message = format!("{}: {}", last.error_class.as_str(), last.error_message);
            self.status.update(&rejected.records.connector, |status| {
                status.last_error = Some(message);
                status.last_error_at = Some(now);
            });
        }
        let send = self.recorder.send(Record {
            batch: WriteBatch { letters, ..WriteBatch::default() },
            trace: rejected.trace,
            closed_through: None,
        });
        AtomicResponse::new(Box::pin(send.into_actor(self).map(|result, _, ctx| {
            if result.is_err() {
                ctx.stop();
            }
        })))
    }
}

impl Handler<Ping> for DeadLetterStage {
    type Result = ();

    fn handle(&mut self, _: Ping, _: &mut Self::Context) {}
}

impl Handler<Stop> for DeadLetterStage {
    type Result = ();

    fn handle(&mut self, _: Stop, ctx: &mut Self::Context) {
        ctx.stop();
    }
}
