//! Joins stages into one pipeline, from the last snapshot.

use std::fmt;
use std::sync::{Arc, Mutex};

use actix::{Actor, Addr, ArbiterHandle, Handler};
use tokio::sync::Notify;

use crate::actors::aliases::SharedAliases;
use crate::actors::books::{QueueBooks, SourceBooks};
use crate::actors::broadcaster::BroadcasterStage;
use crate::actors::connector::{ConnectorStage, Feed, Wiring};
use crate::actors::cut::Joins;
use crate::actors::dead_letter::DeadLetterStage;
use crate::actors::detection::{self, DetectionStage};
use crate::actors::inbox::{self, InboxStage};
use crate::actors::investigator::{self, InvestigatorStage};
use crate::actors::kept::{Guards, Kept};
use crate::actors::life_line::LifeLine;
use crate::actors::messages::{Hold, Ping, Stop};
use crate::actors::pace::Pace;
use crate::actors::recorder::{Intake, RecorderStage};
use crate::actors::replay::{ReplayStage, Ways};
use crate::actors::status::StatusBoard;
use crate::actors::supervisor::{self, BuildError, Lone, Pipeline, Reports, SourceHandle};
use crate::actors::trace_join::{self, TraceJoinStage};
use crate::engine::correlate::watermark::{WatermarkState, WatermarkTracker};
use crate::engine::correlate::{CorrelateOptions, Investigator};
use crate::engine::decode::DecodeOptions;
use crate::engine::detect::{DetectOptions, Detector, TraceJoin};
use crate::engine::resilience::offset_ledger::OffsetLedger;
use crate::engine::resilience::redecode::Redecoder;
use crate::engine::resilience::retention::RetentionOptions;
use crate::model::dead_letter::REPLAY;
use crate::model::ports::{FeedTrouble, Publish, SourceRecords, StoreError, StoreReader, StoreWriter, StoredOffsets};
use crate::model::snapshot::Snapshot;
use crate::model::{Bucket, Source, Timestamp};

/// Starts one source's feed, given where reading stands.
pub type OpenFeed = Arc<dyn Fn(Arc<dyn StoredOffsets>) -> Result<Feed, FeedTrouble> + Send + Sync>;
/// Opens the store for writing; again after each rebuild.
pub type OpenWriter = Box<dyn Fn() -> Result<Box<dyn StoreWriter>, StoreError> + Send>;

/// One configured source.
#[derive(Clone)]
pub struct SourcePart {
    pub name: Arc<str>,
    pub source: Source,
    pub decode: DecodeOptions,
    pub open: OpenFeed,
}

impl fmt::Debug for SourcePart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SourcePart").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Which thread each stage runs on.
#[derive(Clone, Debug)]
pub struct Placement {
    pub connectors: ArbiterHandle,
    /// One a shard, reused in turn.
    pub shards: Vec<ArbiterHandle>,
    pub disk: ArbiterHandle,
}

impl Placement {
    /// Everything on the current arbiter: simulation and evaluation.
    pub fn single(arbiter: ArbiterHandle) -> Self {
        Self { connectors: arbiter.clone(), shards: vec![arbiter.clone()], disk: arbiter }
    }
}

/// All a pipeline is made of.
pub struct PipelineParts {
    pub sources: Vec<SourcePart>,
    pub shards: usize,
    /// Dead letters decoded again a second, at most.
    pub replays_per_second: u32,
    /// Dead letters keep the bytes of their records.
    pub store_payloads: bool,
    /// Where replays find records whose bytes were not kept; `None` where there is no broker.
    pub broker_records: Option<Arc<dyn SourceRecords>>,
    pub detect: DetectOptions,
    pub correlate: CorrelateOptions,
    pub retention: RetentionOptions,
    /// History before this only teaches, at a first start.
    pub teach_until: Option<Timestamp>,
    pub open_writer: OpenWriter,
    pub reader: Arc<dyn StoreReader>,
    pub publish: Arc<dyn Publish>,
    pub status: Arc<StatusBoard>,
    /// What names mean, as people changed it last; outlives a rebuild.
    pub aliases: SharedAliases,
    /// What decides whether each connector may read; outlives a rebuild.
    pub guards: Guards,
    /// For records that come without Kafka; takes none by default.
    pub intake: Intake,
    pub placement: Placement,
}

impl fmt::Debug for PipelineParts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PipelineParts").field("sources", &self.sources).field("shards", &self.shards).finish_non_exhaustive()
    }
}

/// Starts every stage, the last of the data's way first.
pub fn build(parts: &PipelineParts, reports: &Reports) -> Result<Pipeline, BuildError> {
    let mut writer = (parts.open_writer)()?;
    let snapshot = writer.load_snapshot()?;
    parts.aliases.replace(&writer.aliases()?);
    let waiting = writer.received_waiting()?;
    let cores = Cores::restore(parts, &snapshot).map_err(BuildError::Lasting)?;
    parts.status.watermark(cores.watermark.closed_through.map(Bucket::end));
    let mut builder = Builder { parts, reports, stages: Vec::new() };
    let written = [Arc::new(Notify::new()), Arc::new(Notify::new())];
    let closed_through = cores.watermark.closed_through;
    let watermark = Arc::new(Mutex::new(WatermarkTracker::restore(cores.watermark)));

    let broadcaster = builder.broadcaster();
    let recorder = builder.recorder(writer, waiting, &broadcaster, written.to_vec());
    let dead_letter = builder.dead_letter(&recorder);
    let investigator = builder.investigator(cores.investigator, &recorder);
    let detections = builder.detections(cores.detectors, closed_through, &investigator);
    let joins = builder.joins(cores.joins, closed_through, &detections);
    let wiring = Wiring {
        joins: Joins::new(joins.iter().map(|join| join.clone().recipient()).collect(), watermark.clone()),
        dead_letter: dead_letter.clone().recipient(),
        recorder: recorder.clone().recipient(),
        suspects: parts.guards.suspects.clone(),
        aliases: parts.aliases.clone(),
        detect: parts.detect.clone(),
        watermark: watermark.clone(),
        pace: Arc::new(Pace::new(watermark)),
        status: parts.status.clone(),
        reader: parts.reader.clone(),
        ended: reports.ended.clone(),
    };
    let mut sources = builder.connectors(&wiring, &snapshot);
    let [inbox, replays] = written;
    sources.push(builder.inbox(&wiring, &snapshot, inbox));
    sources.push(builder.replay(&wiring, &recorder, &snapshot, replays));

    let mut pings: Vec<_> =
        joins.iter().enumerate().map(|(shard, join)| (trace_join::stage_name(shard), join.clone().recipient())).collect();
    pings.extend(detections.iter().enumerate().map(|(shard, stage)| (detection::stage_name(shard), stage.clone().recipient())));
    pings.push((investigator::STAGE.to_owned(), investigator.clone().recipient()));
    pings.push(("dead_letter".to_owned(), dead_letter.clone().recipient()));
    pings.push(("recorder".to_owned(), recorder.clone().recipient()));
    pings.push(("broadcaster".to_owned(), broadcaster.clone().recipient()));
    let mut stops: Vec<_> = joins.iter().map(|join| join.clone().recipient()).collect();
    stops.extend(detections.iter().map(|detection| detection.clone().recipient()));
    stops.extend([investigator.recipient(), dead_letter.recipient(), recorder.clone().recipient(), broadcaster.recipient()]);
    Ok(Pipeline {
        sources,
        joins: wiring.joins,
        receive: recorder.clone().recipient(),
        execute: recorder.recipient(),
        stops,
        pings,
        stages: builder.stages,
        epoch: snapshot.epoch,
    })
}

/// The engine's parts as the last checkpoint left them.
struct Cores {
    joins: Vec<TraceJoin>,
    detectors: Vec<Detector>,
    investigator: Investigator,
    watermark: WatermarkState,
}

impl Cores {
    fn restore(parts: &PipelineParts, snapshot: &Snapshot) -> Result<Self, String> {
        let fresh = snapshot.epoch == 0;
        let mut cores = Self {
            joins: (0..parts.shards).map(|_| TraceJoin::new(&parts.detect)).collect(),
            detectors: (0..parts.shards).map(|shard| Detector::of_shard(shard, &parts.detect)).collect(),
            investigator: Investigator::new(&parts.correlate, parts.teach_until.filter(|_| fresh)),
            watermark: WatermarkState::default(),
        };
        for (stage, key, value) in &snapshot.entries {
            cores.restore_entry(stage, key, value).map_err(|reason| {
                format!("snapshot of stage {stage} cannot be restored: {reason}. Start with another store.path, or with the version that wrote it.")
            })?;
        }
        Ok(cores)
    }

    fn restore_entry(&mut self, stage: &str, key: &[u8], value: &[u8]) -> Result<(), String> {
        let shards = self.joins.len();
        let (name, shard) = stage.split_once('/').unwrap_or((stage, "0"));
        let shard: usize = shard.parse().map_err(|_| "its name has no shard number".to_owned())?;
        let other_shards = || format!("it belongs to shard {shard}, and pipeline.shards is {shards}: set it back to what it was");
        match name {
            "trace_join" => self.joins.get_mut(shard).ok_or_else(other_shards)?.restore(key, value),
            "detection" => self.detectors.get_mut(shard).ok_or_else(other_shards)?.restore(key, value),
            investigator::STAGE => self.investigator.restore(key, value),
            investigator::WATERMARK_STAGE if key == investigator::WATERMARK_SEEN => {
                (self.watermark.oldest, self.watermark.newest) = postcard::from_bytes(value).map_err(|error| error.to_string())?;
                Ok(())
            }
            investigator::WATERMARK_STAGE => {
                let (closed, saved_shards): (Option<Bucket>, usize) = postcard::from_bytes(value).map_err(|error| error.to_string())?;
                self.watermark.closed_through = closed;
                let same = saved_shards == shards;
                same.then_some(()).ok_or_else(|| format!("it was written with pipeline.shards = {saved_shards}, now {shards}: set it back"))
            }
            _ => Err("no such stage".to_owned()),
        }
    }
}

struct Builder<'a> {
    parts: &'a PipelineParts,
    reports: &'a Reports,
    stages: Vec<String>,
}

impl Builder<'_> {
    fn life(&mut self, stage: &str) -> LifeLine {
        self.stages.push(stage.to_owned());
        LifeLine::new(stage, self.reports.generation, self.reports.died.clone())
    }

    fn shard_arbiter(&self, shard: usize) -> &ArbiterHandle {
        let arbiters = &self.parts.placement.shards;
        arbiters.get(shard % arbiters.len().max(1)).unwrap_or(&self.parts.placement.disk)
    }

    fn broadcaster(&mut self) -> Addr<BroadcasterStage> {
        let (publish, status, life) = (self.parts.publish.clone(), self.parts.status.clone(), self.life("broadcaster"));
        BroadcasterStage::start_in_arbiter(&self.parts.placement.connectors, move |_| BroadcasterStage::new(publish, status, life))
    }

    fn recorder(
        &mut self,
        writer: Box<dyn StoreWriter>,
        waiting: Vec<(String, u64)>,
        broadcaster: &Addr<BroadcasterStage>,
        written: Vec<Arc<Notify>>,
    ) -> Addr<RecorderStage> {
        let (status, life) = (self.parts.status.clone(), self.life("recorder"));
        let (stored, commands) = (broadcaster.clone().recipient(), broadcaster.clone().recipient());
        let supervisor = Some((self.reports.stored.clone(), self.reports.failed.clone()));
        let (retention, suspects, aliases) = (self.parts.retention, self.parts.guards.suspects.clone(), self.parts.aliases.clone());
        let intake = self.parts.intake.clone();
        RecorderStage::start_in_arbiter(&self.parts.placement.disk, move |_| {
            let recorder = RecorderStage::new(writer, status, stored, commands, written, supervisor, life);
            recorder.with_retention(retention).telling(suspects).naming(aliases).receiving(intake, waiting)
        })
    }

    fn dead_letter(&mut self, recorder: &Addr<RecorderStage>) -> Addr<DeadLetterStage> {
        let (recorder, status, life) = (recorder.clone().recipient(), self.parts.status.clone(), self.life("dead_letter"));
        let keeps = self.parts.store_payloads;
        DeadLetterStage::start_in_arbiter(&self.parts.placement.connectors, move |_| DeadLetterStage::new(recorder, status, keeps, life))
    }

    fn investigator(&mut self, core: Investigator, recorder: &Addr<RecorderStage>) -> Addr<InvestigatorStage> {
        let (recorder, status, shards) = (recorder.clone().recipient(), self.parts.status.clone(), self.parts.shards);
        let life = self.life(investigator::STAGE);
        InvestigatorStage::start_in_arbiter(self.shard_arbiter(0), move |_| InvestigatorStage::new(core, shards, recorder, status, life))
    }

    fn detections(&mut self, cores: Vec<Detector>, closed: Option<Bucket>, next: &Addr<InvestigatorStage>) -> Vec<Addr<DetectionStage>> {
        let shards = self.parts.shards;
        let mut stages = Vec::new();
        for (shard, core) in cores.into_iter().enumerate() {
            let (next, life) = (next.clone().recipient(), self.life(&detection::stage_name(shard)));
            let (status, suspects) = (self.parts.status.clone(), self.parts.guards.suspects.clone());
            let start = move |_: &mut _| DetectionStage::new(shard, core, shards, closed, next, status, life).telling(suspects);
            stages.push(DetectionStage::start_in_arbiter(self.shard_arbiter(shard), start));
        }
        stages
    }

    fn joins(&mut self, cores: Vec<TraceJoin>, closed: Option<Bucket>, detections: &[Addr<DetectionStage>]) -> Vec<Addr<TraceJoinStage>> {
        let mut stages = Vec::new();
        for (shard, core) in cores.into_iter().enumerate() {
            let next = detections.iter().map(|detection| detection.clone().recipient()).collect();
            let (status, life) = (self.parts.status.clone(), self.life(&trace_join::stage_name(shard)));
            let suspects = self.parts.guards.suspects.clone();
            let start = move |_: &mut _| TraceJoinStage::new(shard, core, closed, next, status, life).telling(suspects);
            stages.push(TraceJoinStage::start_in_arbiter(self.shard_arbiter(shard), start));
        }
        stages
    }

    fn connectors(&mut self, wiring: &Wiring, snapshot: &Snapshot) -> Vec<SourceHandle> {
        let mut sources = Vec::new();
        for part in self.parts.sources.clone() {
            let ours = snapshot.ledger.iter().filter(|row| *row.connector == *part.name).cloned();
            let ahead = snapshot.ahead.iter().filter(|ahead| *ahead.connector == *part.name).cloned();
            let kept = Kept::new(OffsetLedger::restore(ours, ahead), self.parts.guards.of(&part.name));
            self.stages.push(supervisor::stage_name(&part.name));
            let connector = LoneConnector {
                part,
                kept,
                wiring: wiring.clone(),
                reports: self.reports.clone(),
                arbiter: self.parts.placement.connectors.clone(),
            };
            sources.push(connector.start());
        }
        sources
    }

    fn inbox(&mut self, wiring: &Wiring, snapshot: &Snapshot, written: Arc<Notify>) -> SourceHandle {
        let (reader, status, life) = (self.parts.reader.clone(), self.parts.status.clone(), self.life(inbox::NAME));
        let books = Arc::new(QueueBooks::restore(inbox::NAME, &snapshot.ledger));
        let (joins, ours, aliases) = (wiring.joins.clone(), books.clone(), wiring.aliases.clone());
        let inbox = InboxStage::start_in_arbiter(&self.parts.placement.connectors, move |_| {
            InboxStage::new(reader, joins, ours, aliases, written, status, life)
        });
        source_alone(inbox::NAME, &inbox, books)
    }

    fn replay(&mut self, wiring: &Wiring, recorder: &Addr<RecorderStage>, snapshot: &Snapshot, written: Arc<Notify>) -> SourceHandle {
        let redecoder = redecoder(&self.parts.sources);
        let ways = Ways {
            joins: wiring.joins.clone(),
            recorder: recorder.clone().recipient(),
            per_second: self.parts.replays_per_second,
            broker_records: self.parts.broker_records.clone(),
            suspects: wiring.suspects.clone(),
            aliases: wiring.aliases.clone(),
            detect: self.parts.detect.clone(),
        };
        let (reader, status, life) = (self.parts.reader.clone(), self.parts.status.clone(), self.life(REPLAY));
        let books = Arc::new(QueueBooks::restore(REPLAY, &snapshot.ledger));
        let ours = books.clone();
        let replay = ReplayStage::start_in_arbiter(&self.parts.placement.connectors, move |_| {
            ReplayStage::new(redecoder, reader, ways, ours, written, status, life)
        });
        SourceHandle { stops_for_cut: true, ..source_alone(REPLAY, &replay, books) }
    }
}

/// Everything a connector's stage is built of, the first time and again after it died.
#[derive(Clone)]
struct LoneConnector {
    part: SourcePart,
    kept: Arc<Kept>,
    wiring: Wiring,
    reports: Reports,
    arbiter: ArbiterHandle,
}

impl LoneConnector {
    fn start(&self) -> SourceHandle {
        let Self { part, kept, wiring, reports, arbiter } = self.clone();
        let (name, stage) = (part.name.to_string(), supervisor::stage_name(&part.name));
        let life = LifeLine::new(&stage, reports.generation, reports.died);
        let books = SourceBooks::Connector(kept.clone());
        let lone = Lone {
            kept: kept.clone(),
            revive: Arc::new({
                let again = self.clone();
                move || again.start()
            }),
        };
        let connector = ConnectorStage::start_in_arbiter(&arbiter, move |_| {
            let open = part.open.clone();
            let start = Box::new(move |offsets| open(offsets));
            ConnectorStage::new(part.name, part.source, part.decode, start, kept, wiring, life)
        });
        SourceHandle {
            name,
            stage,
            books,
            stops_for_cut: false,
            hold: connector.clone().recipient(),
            stop: connector.clone().recipient(),
            ping: connector.clone().recipient(),
            steer: Some(connector.clone().recipient()),
            committed: Some(connector.recipient()),
            lone: Some(lone),
        }
    }
}

/// A source whose death takes the pipeline down.
fn source_alone<A>(name: &str, stage: &Addr<A>, books: Arc<QueueBooks>) -> SourceHandle
where
    A: Actor<Context = actix::Context<A>> + Handler<Hold> + Handler<Stop> + Handler<Ping>,
{
    SourceHandle {
        name: name.to_owned(),
        stage: name.to_owned(),
        books: SourceBooks::Queue(books),
        stops_for_cut: false,
        hold: stage.clone().recipient(),
        stop: stage.clone().recipient(),
        ping: stage.clone().recipient(),
        steer: None,
        committed: None,
        lone: None,
    }
}

/// Decodes dead letters with the settings of their connectors.
pub(super) fn redecoder(sources: &[SourcePart]) -> Redecoder {
    Redecoder::new(sources.iter().map(|part| (part.name.clone(), part.source, part.decode.clone())))
}
