//! Every bound and constant of detection in one place, with its reason. Times are event time; a bucket is 15 s.

/// The newest buckets wait this long before they join a baseline, so that a fault does not teach it (120 s).
pub const LAG_BUCKETS: i64 = 8;
/// Half-life of every baseline (30 min).
pub const HALF_LIFE_BUCKETS: f64 = 120.0;
/// A key hot for this long is the new normal (30 min).
pub const NEW_NORMAL_BUCKETS: i64 = 120;
/// Recent windows judged, in buckets: 30, 60 and 120 s.
pub const WINDOWS: [i64; 3] = [2, 4, 8];
/// While a key is hot, cells up to this age are kept for ranking (6 min).
pub const HOT_RING_BUCKETS: i64 = 24;
/// The window of a run that goes on is at most this long (5 min): older cells are let go soon.
pub const MAX_RUN_BUCKETS: i64 = 20;
/// Ranking looks from this many buckets before a key turned hot.
pub const LOOK_BACK_BUCKETS: i64 = 4;
/// Smallest baseline and recent samples that are compared.
pub const MIN_BASELINE: f64 = 5.0;
pub const MIN_RECENT: f64 = 3.0;
/// Surprise from which a key counts as hot; the investigator's `weak` has the same default.
pub const HOT: f64 = 4.0;
/// Surprise from which one signal may open alone; evidence that must not is capped below it.
pub const STRONG: f64 = 8.0;
/// Signals below this are not even hints.
pub const HINT: f64 = 2.0;
/// −log10 p is cut here.
pub const MAX_SURPRISE: f64 = 300.0;
/// A jump of a metric says at most this much: its scale is a convention, not a probability.
pub const MAX_METRIC_SURPRISE: f64 = 40.0;

/// A trace is finished this long after its root's end …
pub const TRACE_GRACE_S: i64 = 10;
/// … or after this long without news.
pub const TRACE_IDLE_S: i64 = 60;
/// Ids of finished traces are remembered this many buckets: duplicates and stragglers find them.
pub const FINISHED_BUCKETS: i64 = 3;
/// Items kept of one trace; a longer one is counted but gives no features (about 2 MB).
pub const MAX_TRACE_ITEMS: usize = 20_000;
/// Items of open traces a shard keeps, about 100 bytes each (100 MB), unless settings say otherwise; the stalest traces are let
/// go at bucket close.
pub const MAX_OPEN_ITEMS: usize = 1_000_000;

/// Entities a shard keeps, about 5 KB each (50 MB), unless settings say otherwise; the longest silent are let go at bucket close.
/// One that has items in an open bucket stays until they are counted; twice as many are in memory at most, and what does not fit is
/// counted as one service.
pub const MAX_ENTITIES: usize = 10_000;
/// Names a shard keeps, about 80 bytes each (16 MB).
pub const MAX_NAMES: usize = 200_000;
/// Log-shape contexts of one entity, about 200 bytes each.
pub const MAX_SHAPES: usize = 1_000;
/// Next templates kept of one context.
pub const MAX_NEXT: usize = 40;
/// Error templates of one entity and bucket that are told apart; the rest is folded together.
pub const MAX_ERROR_TEMPLATES: usize = 50;
/// Operations of one entity.
pub const MAX_OPERATIONS: usize = 300;
/// Metric series of one entity, about .9 KB each (.9 MB); of what is looked at often, a few.
pub const MAX_SERIES: usize = 1_000;
/// Resources of one entity whose whole history is kept, about 350 bytes each.
pub const MAX_DRIFTS: usize = 100;
/// Series of request metrics of one entity, about 100 bytes each; those silent longest go first.
pub const MAX_REQUEST_SERIES: usize = 500;
/// A service that sent spans within this time is judged by them and not by its request metrics (1 h).
pub const SPANS_KNOWN_BUCKETS: i64 = 240;
/// An entity is closed at most this long after its last item, though its series are slow (1 h).
pub const MAX_LIVE_BUCKETS: i64 = 240;
/// Callees of one entity in a bucket.
pub const MAX_EDGES: usize = 300;
/// Callees of one entity whose waits are watched, about 600 bytes each.
pub const MAX_WAITS: usize = 50;
/// Callers of one entity whose ways to it are watched one by one, where it has more than one; about 400 bytes each.
pub const MAX_CALLERS: usize = 50;
/// Lines without a trace id of one entity and bucket that are put in order (130 KB); above, that bucket has no order.
pub const MAX_ORDERED_LINES: u32 = 4_096;
/// Exemplars of a folded event.
pub const MAX_EXEMPLARS: usize = 3;
/// Signals of one entity and detector at one close.
pub const MAX_SIGNALS_A_DETECTOR: usize = 4;
/// Buckets that an item may wait for (1 h) beyond the open one and beyond the newest time that its batch is believed: the watermark
/// comes at least that far. What claims to be later is booked into the open one. A consumer that catches up on a slow topic gets days
/// in a batch, and each item waits for its own bucket; a partition that is ahead is not read on, so that one batch of each, and
/// what is on its way, is all that waits.
pub const MAX_AHEAD_BUCKETS: i64 = 240;
/// An item this far after its record's Kafka time is booked by the Kafka time, seconds.
pub const MAX_SKEW_S: i64 = 300;
