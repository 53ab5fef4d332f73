//! A server on a free port of this machine, with ports that answer from memory.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::sync::oneshot;
use whydunit::model::command::{Action, Command, CommandError, CommandOutcome, InboxRow};
use whydunit::model::connector::{ConnectorOrder, ConnectorState, ConnectorStatus, Health, OrderBy};
use whydunit::model::dead_letter::{
    DeadLetterGroup, DeadLetterView, DryRun, LetterRecord, LetterStatus, Payload, RejectionClass, Replay, ReplayRun,
};
use whydunit::model::investigation::{Activity, EngineFindings, EventLink, Investigation, InvestigationSummary, Note, Priority, Status};
use whydunit::model::ledger::LedgerRow;
use whydunit::model::ports::{
    BoxFuture, Commands, ConnectorControl, DryRuns, PipelineStatus, Receiver, SourceRecords, StoreError, StoreReader,
};
use whydunit::model::position::{PartitionKey, Position};
use whydunit::model::query::{DeadLetterQuery, EventQuery, InvestigationQuery, Page, TimeRange};
use whydunit::model::received::{NewRecord, ReceiveError};
use whydunit::model::suspect::{Suspect, SuspectKind, Verdict};
use whydunit::model::topology::Topology;
use whydunit::model::view::{AnalyticsSummary, Facet, ServiceGraph, Timeline};
use whydunit::model::{Event, Severity, Source, Timestamp};
use whydunit::web::{self, Hub, Ingest, Options, Parts, Server};

pub const NOW_S: i64 = 1_774_274_530;
/// The id that is known everywhere.
pub const KNOWN: &str = "known";
/// A busy machine gets time; what comes ends the wait at once.
pub const PATIENCE: Duration = Duration::from_secs(120);

pub fn now() -> Timestamp {
    Timestamp::from_seconds(NOW_S)
}

/// What the fake ports were asked, and what they are to answer with.
#[derive(Default)]
pub struct Memory {
    pub commands: Mutex<Vec<Command>>,
    pub queries: Mutex<Vec<String>>,
    pub command_error: Mutex<Option<CommandError>>,
    pub read_error: Mutex<Option<fn() -> StoreError>>,
    pub health: Mutex<Health>,
    pub told: Mutex<Vec<String>>,
}

impl Memory {
    fn asked(&self, query: impl std::fmt::Debug) -> Result<(), StoreError> {
        self.queries.lock().unwrap().push(format!("{query:?}"));
        // Not under the lock: the error may be a panic.
        let error = *self.read_error.lock().unwrap();
        error.map_or(Ok(()), |error| Err(error()))
    }
}

fn page<T>(items: Vec<T>) -> Page<T> {
    Page { items, total: 10_000, total_exact: false, next_cursor: Some("next/1 2".to_owned()) }
}

impl StoreReader for Memory {
    fn investigations(&self, query: &InvestigationQuery) -> Result<Page<InvestigationSummary>, StoreError> {
        self.asked(query)?;
        if query.paging.sort == "nonsense" {
            return Err(StoreError::BadQuery { field: "sort".to_owned(), reason: "cannot sort by nonsense".to_owned() });
        }
        Ok(page(Vec::new()))
    }
    fn investigation_facets(&self, query: &InvestigationQuery) -> Result<Vec<Facet>, StoreError> {
        self.asked(query)?;
        Ok(Vec::new())
    }
    fn investigation(&self, id: &str) -> Result<Option<Investigation>, StoreError> {
        self.asked(id)?;
        Ok((id == KNOWN).then(investigation))
    }
    fn suspects_at(&self, id: &str, at: Timestamp) -> Result<Option<Vec<Suspect>>, StoreError> {
        self.asked((id, at))?;
        Ok((id == KNOWN).then(Vec::new))
    }
    fn notes(&self, id: &str) -> Result<Vec<Note>, StoreError> {
        self.asked(id)?;
        Ok(vec![note("seen it")])
    }
    fn activity(&self, id: &str) -> Result<Vec<Activity>, StoreError> {
        self.asked(id)?;
        Ok(Vec::new())
    }
    fn timeline(&self, id: &str, range: TimeRange, step_s: Option<u32>) -> Result<Option<Timeline>, StoreError> {
        self.asked((id, range, step_s))?;
        let timeline = Timeline { from: now(), to: now(), step_s: step_s.unwrap_or(15), lanes: Vec::new(), onset: None, detected_at: None };
        Ok((id == KNOWN).then_some(timeline))
    }
    fn event_link(&self, id: &str, event_id: &str) -> Result<Option<EventLink>, StoreError> {
        self.asked((id, event_id))?;
        let at = now();
        let link = || EventLink {
            event_id: KNOWN.into(),
            confidence: 0.7,
            reason: "slow call".into(),
            linked_by: "whydunit".into(),
            linked_at: at,
        };
        Ok((id == KNOWN && event_id == KNOWN).then(link))
    }
    fn events(&self, query: &EventQuery) -> Result<Page<Event>, StoreError> {
        self.asked(query)?;
        Ok(page(vec![event()]))
    }
    fn event(&self, id: &str) -> Result<Option<Event>, StoreError> {
        self.asked(id)?;
        Ok((id == KNOWN).then(event))
    }
    fn event_facets(&self, query: &EventQuery) -> Result<Vec<Facet>, StoreError> {
        self.asked(query)?;
        Ok(Vec::new())
    }
    fn dead_letters(&self, query: &DeadLetterQuery) -> Result<Page<DeadLetterView>, StoreError> {
        self.asked(query)?;
        Ok(page(vec![letter()]))
    }
    fn dead_letter_groups(&self) -> Result<Vec<DeadLetterGroup>, StoreError> {
        self.asked("groups")?;
        Ok(Vec::new())
    }
    fn dead_letter(&self, id: &str) -> Result<Option<DeadLetterView>, StoreError> {
        self.asked(id)?;
        Ok((id == KNOWN).then(letter))
    }
    fn letter_record(&self, id: &str) -> Result<Option<LetterRecord>, StoreError> {
        self.asked(id)?;
        let DeadLetterView { id: known, connector, position, .. } = letter();
        let record = LetterRecord {
            id: known,
            connector,
            position,
            timestamp: None,
            key: None,
            value: None,
            headers: Vec::new(),
            bad_items: Vec::new(),
        };
        Ok((id == KNOWN).then_some(record))
    }

    fn replays(&self, _: i64, _: u32) -> Result<Vec<Replay>, StoreError> {
        Ok(Vec::new())
    }

    fn replay_runs(&self) -> Result<Vec<ReplayRun>, StoreError> {
        self.asked("replay runs")?;
        Ok(Vec::new())
    }
    fn letter_bytes(&self, _: &str) -> Result<u64, StoreError> {
        Ok(0)
    }
    fn ledger(&self) -> Result<Vec<LedgerRow>, StoreError> {
        self.asked("ledger")?;
        Ok(Vec::new())
    }
    fn topology(&self, environment: Option<&str>, at: Option<Timestamp>) -> Result<Topology, StoreError> {
        self.asked((environment, at))?;
        Ok(Topology::default())
    }
    fn analytics(&self, range: TimeRange) -> Result<AnalyticsSummary, StoreError> {
        self.asked(range)?;
        Ok(AnalyticsSummary::default())
    }
    fn inbox(&self, _: i64, _: u32) -> Result<Vec<InboxRow>, StoreError> {
        Ok(Vec::new())
    }
    fn export(&self, _: &mut dyn std::io::Write) -> Result<(), StoreError> {
        Ok(())
    }
}

impl Commands for Memory {
    fn submit(&self, command: Command) -> BoxFuture<Result<CommandOutcome, CommandError>> {
        let answer = match self.command_error.lock().unwrap().clone() {
            Some(error) => Err(error),
            None => Ok(outcome(&command)),
        };
        self.commands.lock().unwrap().push(command);
        Box::pin(async { answer })
    }
}

fn outcome(command: &Command) -> CommandOutcome {
    match &command.action {
        Action::CreateEvent { event } => CommandOutcome::Event(event.clone()),
        Action::CreateInvestigation { id, new } => {
            CommandOutcome::Investigation(Box::new(Investigation { id: id.clone(), title: new.title.clone(), ..investigation() }))
        }
        Action::PatchInvestigation { .. } | Action::ReopenInvestigation { .. } => {
            CommandOutcome::Investigation(Box::new(Investigation { version: 8, ..investigation() }))
        }
        Action::CloseInvestigations { ids, .. } => CommandOutcome::Closed { ids: ids.clone() },
        Action::AddNote { note } => CommandOutcome::Note(note.clone()),
        Action::EditNote { body, .. } => CommandOutcome::Note(Box::new(note(body))),
        _ => CommandOutcome::Done,
    }
}

impl PipelineStatus for Memory {
    fn connectors(&self) -> Vec<ConnectorStatus> {
        vec![connector()]
    }
    fn health(&self) -> Health {
        self.health.lock().unwrap().clone()
    }
}

impl SourceRecords for Memory {
    fn fetch(&self, _: &str, position: &Position) -> whydunit::model::source_record::Fetched {
        let record = whydunit::model::source_record::FetchedRecord {
            topic: position.partition.topic.to_string(),
            partition: position.partition.partition,
            offset: position.offset,
            value: Some(b"{\"message\":\"as it was\"}".to_vec()),
            ..Default::default()
        };
        whydunit::model::source_record::Fetched::Record(Box::new(record))
    }
}

impl DryRuns for Memory {
    fn dry_run(&self, _: &LetterRecord, _: Option<&[u8]>) -> DryRun {
        DryRun::default()
    }
}

impl ConnectorControl for Memory {
    fn steer(&self, name: &str, order: ConnectorOrder, by: &OrderBy) -> bool {
        let why = if by.reason.is_empty() { String::new() } else { format!(": {}", by.reason) };
        self.told.lock().unwrap().push(format!("{} {name}{why}", order.as_str()));
        name == KNOWN
    }
}

impl Receiver for Memory {
    fn receive(&self, _: Vec<NewRecord>) -> BoxFuture<Result<(), ReceiveError>> {
        Box::pin(std::future::ready(Ok(())))
    }
}

/// A server of its own runtime and port; ends when dropped.
pub struct Running {
    pub memory: Arc<Memory>,
    pub hub: Hub,
    pub base: String,
    runtime: Runtime,
    stop: Option<oneshot::Sender<()>>,
    server: Option<Server>,
}

pub fn start() -> Running {
    start_with(|_| {})
}

pub fn start_with(adjust: impl FnOnce(&mut Options)) -> Running {
    let memory = Arc::new(Memory::default());
    start_with_store(memory.clone(), memory.clone(), memory, adjust)
}

/// As [`start_with`], with another store behind it; `memory` stands for the pipeline.
pub fn start_with_store(
    memory: Arc<Memory>,
    reader: Arc<dyn StoreReader>,
    commands: Arc<dyn Commands>,
    adjust: impl FnOnce(&mut Options),
) -> Running {
    start_with_clock(memory, reader, commands, now, adjust)
}

pub fn start_with_clock(
    memory: Arc<Memory>,
    reader: Arc<dyn StoreReader>,
    commands: Arc<dyn Commands>,
    now: fn() -> Timestamp,
    adjust: impl FnOnce(&mut Options),
) -> Running {
    let mut options = Options { listen: "127.0.0.1:0".parse().unwrap(), timeout_ms: 60_000, shutdown_ms: 2_000, ..Options::default() };
    adjust(&mut options);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let hub = Hub::new(now());
    let parts = Parts {
        ingest: Some(Ingest { options: Arc::default(), receiver: memory.clone() }),
        reader,
        commands,
        status: memory.clone(),
        control: memory.clone(),
        dry_runs: memory.clone(),
        source_records: memory.clone(),
        explain: whydunit::engine::correlate::explain,
        join_changes: whydunit::engine::changes::changes,
        live: hub.clone(),
        now,
        version: "0.0.0-test",
    };
    let (stop, stopped) = oneshot::channel();
    let server = runtime
        .block_on(web::serve(&options, parts, async {
            let _ = stopped.await;
        }))
        .unwrap();
    Running { memory, hub, base: format!("http://{}", server.address), runtime, stop: Some(stop), server: Some(server) }
}

impl Running {
    /// Signals shutdown and waits for its end; panics when it takes longer than `limit`.
    pub fn shut_down(&mut self, limit: Duration) {
        drop(self.stop.take());
        let server = self.server.take().expect("shut down once");
        self.runtime.block_on(async { tokio::time::timeout(limit, server.ended()).await }).expect("shutdown ends in time");
    }

    pub fn address(&self) -> &str {
        self.base.trim_start_matches("http://")
    }

    pub fn last_command(&self) -> Command {
        self.memory.commands.lock().unwrap().last().cloned().expect("a command was submitted")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.server.is_some() {
            self.shut_down(PATIENCE);
        }
    }
}

pub fn event() -> Event {
    Event::new(KNOWN.to_owned(), now(), Source::Git, "commit", Severity::Info, "Lower the pool")
}

pub fn note(body: &str) -> Note {
    Note {
        id: KNOWN.to_owned(),
        investigation_id: KNOWN.to_owned(),
        author: "ana".to_owned(),
        body: body.to_owned(),
        event_id: None,
        at: None,
        parent_id: None,
        created_at: now(),
        updated_at: now(),
        version: 1,
    }
}

fn letter() -> DeadLetterView {
    let partition = PartitionKey { cluster: "c".into(), topic: "logs".into(), incarnation: 1, partition: 0 };
    DeadLetterView {
        id: KNOWN.to_owned(),
        connector: "logs".to_owned(),
        position: Position { partition, offset: 7 },
        key_base64: None,
        payload: Payload::Shown,
        value_sha256: None,
        value_base64: Some("e30=".to_owned()),
        value_text: Some("{}".to_owned()),
        value_bytes: 2,
        headers: Vec::new(),
        error_class: RejectionClass::NoItems,
        error_message: "no items".to_owned(),
        format: "json".to_owned(),
        bad_items: Vec::new(),
        attempts: 1,
        first_failed_at: now(),
        last_failed_at: now(),
        fingerprint: "f".to_owned(),
        status: LetterStatus::Waiting,
        replay_count: 0,
        items_read: 0,
        discard_reason: None,
    }
}

fn connector() -> ConnectorStatus {
    ConnectorStatus {
        state: ConnectorState::Running,
        format: String::new(),
        assigned_partitions: 1,
        because: String::new(),
        ..ConnectorStatus::new(KNOWN, Source::Logs)
    }
}

pub fn investigation() -> Investigation {
    Investigation {
        id: KNOWN.to_owned(),
        title: "checkout fails".to_owned(),
        description: String::new(),
        status: Status::Open,
        close_reason: None,
        impact_severity: Severity::High,
        priority: Priority::P1,
        detected_at: now(),
        started_at: now(),
        recovered_at: None,
        resolved_at: None,
        closed_at: None,
        root_cause: None,
        remediation: None,
        lessons_learned: None,
        component_affected: None,
        service_affected: Some("checkout".to_owned()),
        environment: None,
        tags: Default::default(),
        related_investigation_ids: Vec::new(),
        event_count: 1,
        note_count: 1,
        confidence: 0.5,
        created_by: "whydunit".to_owned(),
        assigned_to: None,
        created_at: now(),
        updated_at: now(),
        version: 7,
        revision: 3,
        findings: Some(findings()),
    }
}

pub fn findings() -> EngineFindings {
    EngineFindings {
        id: KNOWN.to_owned(),
        revision: 3,
        environment: "prod".to_owned(),
        symptom: String::new(),
        headline: String::new(),
        where_sentence: String::new(),
        impact_severity: Severity::High,
        service_affected: "checkout".to_owned(),
        hot_services: Vec::new(),
        services_total: 1,
        detected_at: now(),
        started_at: now(),
        recovered_at: None,
        merged_into: None,
        updated_at: now(),
        confidence: 0.5,
        opened_because: String::new(),
        opened_families: Vec::new(),
        opened_by: Vec::new(),
        suspects: vec![suspect()],
        signals: Vec::new(),
        graph: ServiceGraph::default(),
        learning: Vec::new(),
        new_links: Vec::new(),
    }
}

fn suspect() -> Suspect {
    Suspect {
        id: "service:payment".to_owned(),
        rank: 1,
        kind: SuspectKind::Service,
        entity: "payment".to_owned(),
        service: Some("payment".to_owned()),
        event_id: None,
        at: None,
        author: None,
        score: 0.9,
        factors: Vec::new(),
        sentence: String::new(),
        evidence: Vec::new(),
        counter_evidence: Vec::new(),
        diff_hint: None,
        verdict: Verdict::Suspect,
        verdict_comment: None,
        verdict_by: None,
        life: Vec::new(),
    }
}
