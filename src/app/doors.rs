//! Ways from the API into the running pipeline, shut while it is being rebuilt, and past it to the decoders.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use actix::Recipient;
use tokio::sync::oneshot;

use super::pipeline::{SourcePart, redecoder};
use crate::actors::aliases::SharedAliases;
use crate::actors::messages::{BookDeliveries, Execute, Receive, Steer};
use crate::actors::status::StatusBoard;
use crate::actors::supervisor::Doors;
use crate::clock;
use crate::engine::decode;
use crate::engine::resilience::redecode::{dry_run, failure};
use crate::kafka::{self, SourceOptions};
use crate::model::command::{Command, CommandError, CommandOutcome};
use crate::model::connector::{ConnectorOrder, OrderBy};
use crate::model::dead_letter::{DryRun, LetterRecord};
use crate::model::notification::DeliveryOutcome;
use crate::model::ports::{BoxFuture, Commands, ConnectorControl, DeliveryBooks, DryRuns, Receiver, SourceRecords, StoreError};
use crate::model::position::Position;
use crate::model::received::{NewRecord, ReceiveError};
use crate::model::source_record::Fetched;
use crate::settings::Settings;

/// Longest a person's write waits for the disk.
const WRITE_TIMEOUT: Duration = Duration::from_secs(5);

/// Pause between two looks for a pipeline that is being built.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// The API's side of [`Doors`].
#[derive(Clone, Debug, Default)]
pub struct SharedDoors(pub Arc<Mutex<Doors>>);

impl SharedDoors {
    fn execute(&self) -> Option<Recipient<Execute>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).execute.clone()
    }
}

impl Commands for SharedDoors {
    fn submit(&self, command: Command) -> BoxFuture<Result<CommandOutcome, CommandError>> {
        let execute = self.execute();
        Box::pin(async move {
            let Some(execute) = execute else {
                return Err(CommandError::Unavailable("the pipeline is being rebuilt; try again in a few seconds".to_owned()));
            };
            match tokio::time::timeout(WRITE_TIMEOUT, execute.send(Execute(command))).await {
                Ok(Ok(result)) => result,
                Ok(Err(_)) => Err(CommandError::Unavailable("the recorder is being restarted; try again in a few seconds".to_owned())),
                Err(_) => Err(CommandError::Unavailable("the disk does not take writes now; see /readyz".to_owned())),
            }
        })
    }
}

/// The way of records that come over HTTP.
#[derive(Clone, Debug)]
pub struct RecordDoor {
    pub doors: SharedDoors,
    pub status: Arc<StatusBoard>,
}

impl RecordDoor {
    /// The recorder of the running pipeline; while there is none, waits for the next: some who send do not send again.
    async fn recorder(&self) -> Result<Recipient<Receive>, ReceiveError> {
        loop {
            let (receive, is_ending) = {
                let doors = self.doors.0.lock().unwrap_or_else(PoisonError::into_inner);
                (doors.receive.clone(), doors.is_ending)
            };
            if is_ending {
                return Err(ReceiveError::Ending);
            }
            // The recorder itself finds out when that is over; a request that waited for it would wait in vain.
            if let Some(reason) = self.status.blocked() {
                return Err(ReceiveError::Unavailable(reason));
            }
            match receive {
                Some(receive) => return Ok(receive),
                None => tokio::time::sleep(LOOK_EVERY).await,
            }
        }
    }

    async fn stored(self, records: Vec<NewRecord>) -> Result<(), ReceiveError> {
        let (answer, answered) = oneshot::channel();
        let sent = self.recorder().await?.send(Receive { records, answer }).await;
        let answer = match sent {
            Ok(()) => answered.await.ok(),
            Err(_) => None,
        };
        let is_ending = || self.doors.0.lock().unwrap_or_else(PoisonError::into_inner).is_ending;
        answer.unwrap_or_else(|| {
            Err(if is_ending() { ReceiveError::Ending } else { ReceiveError::Unavailable("the recorder is being restarted".to_owned()) })
        })
    }
}

impl Receiver for RecordDoor {
    fn receive(&self, records: Vec<NewRecord>) -> BoxFuture<Result<(), ReceiveError>> {
        let door = self.clone();
        Box::pin(async move {
            // Given up, the records are not stored: the recorder sees that nobody waits for the answer.
            let stored = tokio::time::timeout(WRITE_TIMEOUT, door.stored(records)).await;
            let late = "the pipeline is being rebuilt, or the disk takes no writes now; see /readyz";
            stored.unwrap_or_else(|_| Err(ReceiveError::Unavailable(late.to_owned())))
        })
    }
}

impl DeliveryBooks for SharedDoors {
    fn book(&self, outcomes: Vec<DeliveryOutcome>) -> BoxFuture<Result<(), StoreError>> {
        let book = self.0.lock().unwrap_or_else(PoisonError::into_inner).book.clone();
        Box::pin(async move {
            let busy = |reason: &str| StoreError::Busy(reason.to_owned());
            let Some(book) = book else { return Err(busy("the pipeline is being rebuilt")) };
            match tokio::time::timeout(WRITE_TIMEOUT, book.send(BookDeliveries(outcomes))).await {
                Ok(Ok(result)) => result,
                Ok(Err(_)) => Err(busy("the recorder is being restarted")),
                Err(_) => Err(busy("the disk does not take writes now")),
            }
        })
    }
}

impl ConnectorControl for SharedDoors {
    fn steer(&self, name: &str, order: ConnectorOrder, by: &OrderBy) -> bool {
        let recipient = self.0.lock().unwrap_or_else(PoisonError::into_inner).steer.get(name).cloned();
        recipient.is_some_and(|recipient| recipient.try_send(Steer { order, by: by.clone() }).is_ok())
    }
}

/// Decodes with the settings of the connectors and the aliases of now, and stores nothing.
#[derive(Clone, Debug)]
pub struct DryRunner(pub Vec<SourcePart>, pub SharedAliases);

impl DryRuns for DryRunner {
    fn dry_run(&self, letter: &LetterRecord, edited: Option<&[u8]>) -> DryRun {
        let decoded = catch_unwind(AssertUnwindSafe(|| {
            let mut redecoder = redecoder(&self.0);
            redecoder.use_aliases(self.1.now());
            redecoder.decode(letter, edited, clock::now())
        }));
        let decoded = decoded.unwrap_or_else(|_| Err(failure(&letter.connector, &decode::panicked(0, "a dry run"))));
        dry_run(decoded.as_ref())
    }
}

/// Asks the brokers of the connector that read a record, as settings name them now.
#[derive(Clone, Debug)]
pub struct BrokerRecords {
    options: kafka::Options,
    connectors: BTreeMap<String, SourceOptions>,
}

impl BrokerRecords {
    pub fn new(settings: &Settings) -> Self {
        Self { options: settings.kafka.clone(), connectors: settings.connectors.clone() }
    }
}

impl SourceRecords for BrokerRecords {
    fn fetch(&self, connector: &str, position: &Position) -> Fetched {
        match self.connectors.get(connector) {
            Some(source) => kafka::look::fetch(&self.options, Some(source), position),
            None => Fetched::Unreachable(format!(
                "the connector `{connector}` that read it is not configured any more, so nothing says which broker to ask"
            )),
        }
    }
}
