//! Ways from the API into the running pipeline, shut while it is being rebuilt, and past it to the decoders.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use actix::Recipient;
use tokio::sync::oneshot;

use super::pipeline::{SourcePart, redecoder};
use crate::actors::aliases::SharedAliases;
use crate::actors::messages::{Execute, Receive, Steer};
use crate::actors::status::StatusBoard;
use crate::actors::supervisor::Doors;
use crate::clock;
use crate::engine::decode;
use crate::engine::redact::Redactor;
use crate::engine::resilience::redecode::{dry_run, failure, refilled};
use crate::kafka::{self, SourceOptions};
use crate::model::command::{Command, CommandError, CommandOutcome};
use crate::model::connector::{ConnectorOrder, OrderBy};
use crate::model::dead_letter::{DryRun, LetterRecord};
use crate::model::ports::{BoxFuture, Commands, ConnectorControl, DryRuns, Receiver, SourceRecords};
use crate::model::position::Position;
use crate::model::received::{NewRecord, ReceiveError};
use crate::model::source_record::{Fetched, is_on_a_broker};
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

impl ConnectorControl for SharedDoors {
    fn steer(&self, name: &str, order: ConnectorOrder, by: &OrderBy) -> bool {
        let recipient = self.0.lock().unwrap_or_else(PoisonError::into_inner).steer.get(name).cloned();
        recipient.is_some_and(|recipient| recipient.try_send(Steer { order, by: by.clone() }).is_ok())
    }
}

/// Decodes with the settings of the connectors and the aliases of now, and stores nothing.
#[derive(Clone, Debug)]
pub struct DryRunner {
    pub sources: Vec<SourcePart>,
    pub aliases: SharedAliases,
    /// Has the records whose bytes were not kept.
    pub records: Arc<BrokerRecords>,
}

impl DryRuns for DryRunner {
    fn dry_run(&self, letter: &LetterRecord, edited: Option<&[u8]>) -> DryRun {
        let decoded = catch_unwind(AssertUnwindSafe(|| {
            let mut redecoder = redecoder(&self.sources);
            redecoder.use_aliases(self.aliases.now());
            match edited.is_none() && letter.is_withheld() {
                true => {
                    let letter = refilled(
                        letter,
                        is_on_a_broker(&letter.position).then(|| self.records.fetch(&letter.connector, &letter.position)),
                    )?;
                    redecoder.decode(&letter, None, clock::now())
                }
                false => redecoder.decode(letter, edited, clock::now()),
            }
        }));
        let decoded = decoded.unwrap_or_else(|_| Err(failure(&letter.connector, &decode::panicked(0, "a dry run"))));
        dry_run(decoded.as_ref())
    }
}

/// Takes secrets out of what people write.
#[derive(Clone, Debug)]
pub struct RedactedCommands {
    pub doors: SharedDoors,
    pub redactor: Arc<Redactor>,
}

impl Commands for RedactedCommands {
    fn submit(&self, mut command: Command) -> BoxFuture<Result<CommandOutcome, CommandError>> {
        self.redactor.redact_action(&mut command.action);
        self.doors.submit(command)
    }
}

/// Takes secrets out of records that people look at.
#[derive(Clone, Debug)]
pub struct RedactedRecords {
    pub records: Arc<BrokerRecords>,
    pub redactor: Arc<Redactor>,
}

impl SourceRecords for RedactedRecords {
    fn fetch(&self, connector: &str, position: &Position) -> Fetched {
        let mut fetched = self.records.fetch(connector, position);
        if let Fetched::Record(record) = &mut fetched {
            for bytes in [&mut record.key, &mut record.value].into_iter().flatten() {
                if let Some(shown) = self.redactor.redact_bytes(bytes) {
                    *bytes = shown;
                }
            }
            for (name, value) in &mut record.headers {
                if let Some(shown) = value.as_deref().and_then(|value| self.redactor.redact_header(name, value)) {
                    *value = Some(shown);
                }
            }
        }
        fetched
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
