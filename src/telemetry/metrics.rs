//! Every metric whydunit has, by name and unit; the only place they are spelled.
//!
//! Names follow OpenTelemetry's conventions; the Prometheus exporter appends units and `_total`.

use std::sync::{Arc, OnceLock};

use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, Gauge, Histogram, Meter, MeterProvider as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use prometheus::{Registry, TextEncoder};

use crate::model::connector::{BreakerState, ConnectorState, ConnectorStatus, Health};
use crate::model::ledger::{LedgerRow, LedgerSums, Unaccounted};
use crate::model::ports::{Disk, DiskSpace, PipelineStatus, StoreReader};

/// All there is to say in Prometheus' text format while a start waits.
pub const NOT_READY: &str =
    "# HELP whydunit_ready 1 while what is read can be stored and served\n# TYPE whydunit_ready gauge\nwhydunit_ready 0\n";

/// Instruments of the pipeline. Attributes are few and bounded: connector, source, outcome, stage.
#[derive(Clone, Debug)]
pub struct Metrics {
    records: Counter<u64>,
    items: Counter<u64>,
    late_items: Counter<u64>,
    skewed_items: Counter<u64>,
    investigations_opened: Counter<u64>,
    dead_letters: Counter<u64>,
    restarts: Counter<u64>,
    stage_restarts: Counter<u64>,
    stuck_stages: Counter<u64>,
    breaker_transitions: Counter<u64>,
    events: Counter<u64>,
    evicted: Counter<u64>,
    live_dropped: Counter<u64>,
    store_retries: Counter<u64>,
    retention_removed: Counter<u64>,
    ingest_requests: Counter<u64>,
    ingest_waiting: Gauge<u64>,
    notifications: Counter<u64>,
    deliveries: Counter<u64>,
    deliveries_waiting: Gauge<u64>,
    deliveries_oldest: Gauge<f64>,
    stage_duration: Histogram<f64>,
    transaction_duration: Histogram<f64>,
    store_phase_duration: Histogram<f64>,
    checkpoint_hold: Histogram<f64>,
    checkpoint_size: Histogram<u64>,
}

/// What became of a record.
#[derive(Clone, Copy, Debug)]
pub enum Outcome {
    Decoded,
    SeenBefore,
    Rejected,
    Absent,
    Missed,
}

impl Outcome {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Decoded => "decoded",
            Self::SeenBefore => "seen_before",
            Self::Rejected => "rejected",
            Self::Absent => "absent",
            Self::Missed => "missed",
        }
    }
}

static METRICS: OnceLock<Metrics> = OnceLock::new();

/// The process's instruments; without [`Exporter::install`] they count into nothing.
pub fn metrics() -> &'static Metrics {
    METRICS.get_or_init(|| Metrics::new(&opentelemetry::global::meter("whydunit")))
}

const SECONDS_BOUNDS: [f64; 14] = [0.000_1, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];

impl Metrics {
    fn new(meter: &Meter) -> Self {
        let counter = |name: &'static str, help: &'static str| meter.u64_counter(name).with_description(help).build();
        let seconds = |name: &'static str, help: &'static str| {
            meter.f64_histogram(name).with_unit("s").with_description(help).with_boundaries(SECONDS_BOUNDS.to_vec()).build()
        };
        Self {
            records: counter("whydunit.records", "Kafka records by connector, source and outcome"),
            items: counter("whydunit.items", "Items decoded by connector and source"),
            late_items: counter("whydunit.items.late", "Items that came after their bucket had closed"),
            skewed_items: counter("whydunit.items.skewed", "Items whose time lies too far ahead of their record's to be believed"),
            investigations_opened: counter("whydunit.investigations.opened", "Investigations opened by the engine"),
            dead_letters: counter("whydunit.dead_letters", "Dead letters stored"),
            restarts: counter("whydunit.pipeline.restarts", "Times the pipeline was rebuilt from its snapshot"),
            stage_restarts: counter("whydunit.connector.restarts", "Times a connector was built again alone"),
            stuck_stages: counter("whydunit.stages.stuck", "Times a stage did not answer while work waited"),
            breaker_transitions: counter("whydunit.breaker.transitions", "Changes of connectors' breakers, by the state they came to"),
            events: counter("whydunit.events", "Events stored"),
            evicted: counter("whydunit.evicted", "Things forgotten to keep memory bounded, by kind"),
            live_dropped: counter("whydunit.live.dropped", "Live updates nobody could take"),
            store_retries: counter("whydunit.store.retries", "Writes the store could not take and that wait, by reason"),
            retention_removed: counter("whydunit.retention.removed", "Things that retention removed, by kind"),
            ingest_requests: counter("whydunit.ingest.requests", "Requests that brought records without Kafka, by source and outcome"),
            ingest_waiting: meter
                .u64_gauge("whydunit.ingest.waiting")
                .with_unit("By")
                .with_description("Bytes that came without Kafka and are not removed yet, by connector")
                .build(),
            notifications: counter("whydunit.notifications", "Notifications made to be told, by kind"),
            deliveries: counter("whydunit.deliveries", "Attempts to tell a channel of a notification, by outcome"),
            deliveries_waiting: meter
                .u64_gauge("whydunit.deliveries.waiting")
                .with_description("Notifications that wait to be delivered, by channel")
                .build(),
            deliveries_oldest: meter
                .f64_gauge("whydunit.deliveries.oldest_waiting")
                .with_unit("s")
                .with_description("Age of the oldest notification that waits to be delivered, by channel")
                .build(),
            stage_duration: seconds("whydunit.stage.duration", "Time a stage took for one message"),
            transaction_duration: seconds("whydunit.store.transaction.duration", "Time of one store transaction"),
            store_phase_duration: seconds(
                "whydunit.store.phase.duration",
                "Time of each phase of a store transaction, and of emptying its log",
            ),
            checkpoint_hold: seconds("whydunit.checkpoint.hold", "Longest wait that a checkpoint adds for a record on its way"),
            checkpoint_size: meter
                .u64_histogram("whydunit.checkpoint.size")
                .with_unit("By")
                .with_description("Bytes one checkpoint wrote")
                .with_boundaries(vec![1e3, 1e4, 1e5, 1e6, 1e7, 1e8])
                .build(),
        }
    }

    pub fn records(&self, connector: &str, source: &'static str, outcome: Outcome, count: u64) {
        if count > 0 {
            let attributes = [of_connector(connector), KeyValue::new("source", source), KeyValue::new("outcome", outcome.as_str())];
            self.records.add(count, &attributes);
        }
    }

    pub fn items(&self, connector: &str, source: &'static str, count: u64) {
        self.items.add(count, &[of_connector(connector), KeyValue::new("source", source)]);
    }

    pub fn skewed_items(&self, connector: &str, source: &'static str, count: u64) {
        if count > 0 {
            self.skewed_items.add(count, &[of_connector(connector), KeyValue::new("source", source)]);
        }
    }

    /// Retention removed things of a kind.
    pub fn retained_no_longer(&self, kind: &'static str, count: u64) {
        if count > 0 {
            self.retention_removed.add(count, &[KeyValue::new("kind", kind)]);
        }
    }

    /// `outcome` is one of few: `stored`, `full`, `unavailable`, `refused`.
    pub fn ingest_request(&self, source: &'static str, outcome: &'static str) {
        self.ingest_requests.add(1, &[KeyValue::new("source", source), KeyValue::new("outcome", outcome)]);
    }

    pub fn ingest_waiting(&self, connector: &str, bytes: u64) {
        self.ingest_waiting.record(bytes, &[of_connector(connector)]);
    }

    /// `kind` is one of few: `opened`, `suspect_changed`, `recovered`, `merged`.
    pub fn notified(&self, kind: &'static str) {
        self.notifications.add(1, &[KeyValue::new("kind", kind)]);
    }

    /// `outcome` is one of few: `delivered`, `failed`, `given_up`, `repeated`, `not_repeated`.
    pub fn delivery(&self, channel: &str, outcome: &'static str, count: u64) {
        self.deliveries.add(count, &[of_channel(channel), KeyValue::new("outcome", outcome)]);
    }

    pub fn deliveries_waiting(&self, channel: &str, count: u64, oldest_s: f64) {
        self.deliveries_waiting.record(count, &[of_channel(channel)]);
        self.deliveries_oldest.record(oldest_s, &[of_channel(channel)]);
    }

    pub fn late_items(&self, count: u64) {
        self.late_items.add(count, &[]);
    }

    pub fn stored(&self, events: u64, dead_letters: u64, opened: u64) {
        self.events.add(events, &[]);
        self.dead_letters.add(dead_letters, &[]);
        self.investigations_opened.add(opened, &[]);
    }

    pub fn restarted(&self) {
        self.restarts.add(1, &[]);
    }

    pub fn connector_restarted(&self, connector: &str) {
        self.stage_restarts.add(1, &[of_connector(connector)]);
    }

    pub fn stage_stuck(&self, stage: &str) {
        self.stuck_stages.add(1, &[KeyValue::new("stage", stage.to_owned())]);
    }

    /// `to` is one of few: `closed`, `open`, `half_open`.
    pub fn breaker_changed(&self, connector: &str, to: &'static str) {
        self.breaker_transitions.add(1, &[of_connector(connector), KeyValue::new("to", to)]);
    }

    /// `what` is one of few: `services`, `traces`, `items` (of new services, counted together).
    pub fn evicted(&self, what: &'static str, count: u64) {
        self.evicted.add(count, &[KeyValue::new("kind", what)]);
    }

    pub fn live_dropped(&self, count: u64) {
        self.live_dropped.add(count, &[]);
    }

    /// `reason` is one of few: `disk_full`, `busy`.
    pub fn store_retried(&self, reason: &'static str) {
        self.store_retries.add(1, &[KeyValue::new("reason", reason)]);
    }

    pub fn stage(&self, stage: &'static str, seconds: f64) {
        self.stage_duration.record(seconds, &[KeyValue::new("stage", stage)]);
    }

    pub fn transaction(&self, seconds: f64) {
        self.transaction_duration.record(seconds, &[]);
    }

    pub fn store_phase(&self, phase: &'static str, seconds: f64) {
        self.store_phase_duration.record(seconds, &[KeyValue::new("phase", phase)]);
    }

    pub fn checkpoint(&self, held_seconds: f64) {
        self.checkpoint_hold.record(held_seconds, &[]);
    }

    pub fn checkpoint_size(&self, bytes: u64) {
        self.checkpoint_size.record(bytes, &[]);
    }
}

fn of(connector: &ConnectorStatus) -> [KeyValue; 2] {
    [of_connector(&connector.name), KeyValue::new("source", connector.source.as_str())]
}

fn of_connector(connector: &str) -> KeyValue {
    KeyValue::new("connector", connector.to_owned())
}

fn of_channel(channel: &str) -> KeyValue {
    KeyValue::new("channel", channel.to_owned())
}

/// Renders `/metrics`.
#[derive(Debug)]
pub struct Exporter {
    registry: Registry,
    _provider: SdkMeterProvider,
}

impl Exporter {
    /// Sets the process's meter provider, and observes the pipeline's state through `status`, the books through `books`.
    /// `disk` is that of the database.
    pub fn install(status: Arc<dyn PipelineStatus>, books: Arc<dyn StoreReader>, disk: DiskSpace) -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        let reader = opentelemetry_prometheus::exporter()
            .with_registry(registry.clone())
            .build()
            .map_err(|error| prometheus::Error::Msg(error.to_string()))?;
        let resource = Resource::builder().with_service_name("whydunit").build();
        let provider = SdkMeterProvider::builder().with_reader(reader).with_resource(resource).build();
        let meter = provider.meter("whydunit");
        observe_connectors(&meter, &status);
        observe_ledger(&meter, &books);
        observe_disk(&meter, disk);
        // A second pipeline in one process (tests) keeps the first one's counters.
        let _ = METRICS.set(Metrics::new(&meter));
        Ok(Self { registry, _provider: provider })
    }

    pub fn render(&self) -> String {
        TextEncoder::new().encode_to_string(&self.registry.gather()).unwrap_or_else(|error| format!("# not rendered: {error}\n"))
    }
}

fn observe_connectors(meter: &Meter, status: &Arc<dyn PipelineStatus>) {
    gauge(meter, status, "whydunit.lag.records", "{record}", "Records between our offset and the partitions' ends", |connector| {
        connector.lag_records as f64
    });
    gauge(meter, status, "whydunit.lag", "s", "Age of the newest record read while there is lag", |connector| connector.lag_seconds);
    gauge(meter, status, "whydunit.connector.up", "", "1 while the connector runs", |connector| {
        f64::from(u8::from(connector.state == ConnectorState::Running))
    });
    gauge(meter, status, "whydunit.breaker.state", "", "0 while a connector's breaker is closed, 1 half-open, 2 open", |connector| {
        match connector.breaker.state {
            BreakerState::Closed => 0.0,
            BreakerState::HalfOpen => 1.0,
            BreakerState::Open => 2.0,
        }
    });
    gauge(meter, status, "whydunit.partitions.assigned", "", "Partitions assigned", |connector| f64::from(connector.assigned_partitions));
    gauge(meter, status, "whydunit.connector.paused", "", "1 while the connector waits for a person to let it go on", |connector| {
        f64::from(u8::from(connector.state == ConnectorState::Paused))
    });
    let spoke = status.clone();
    meter
        .f64_observable_gauge("whydunit.connector.last_record")
        .with_unit("s")
        .with_description("When the connector's last record was read, Unix seconds")
        .with_callback(move |observer| {
            for connector in spoke.connectors() {
                if let Some(at) = connector.last_record_at {
                    observer.observe(at.seconds() as f64, &of(&connector));
                }
            }
        })
        .build();
    let held = status.clone();
    meter
        .f64_observable_gauge("whydunit.checkpoint.unsaved")
        .with_unit("s")
        .with_description("Age of the oldest work that no checkpoint holds; 0 while the last one holds all")
        .with_callback(move |observer| {
            let since = held.health().unsaved_since;
            observer.observe(since.map_or(0.0, |since| crate::clock::now().seconds_since(since).max(0.0)), &[]);
        })
        .build();
    health(meter, status, "whydunit.ready", "1 while what is read can be stored and served", |health| health.ready);
    health(meter, status, "whydunit.degraded", "1 while something is broken and the rest goes on; /readyz says what", |health| {
        health.degraded
    });
    let status = status.clone();
    meter
        .f64_observable_gauge("whydunit.watermark")
        .with_unit("s")
        .with_description("Event time up to which buckets are closed, Unix seconds")
        .with_callback(move |observer| {
            if let Some(watermark) = status.health().watermark {
                observer.observe(watermark.seconds() as f64, &[]);
            }
        })
        .build();
}

fn observe_disk(meter: &Meter, disk: DiskSpace) {
    let observe = |name: &'static str, help: &'static str, disk: DiskSpace, bytes: fn(Disk) -> u64| {
        let gauge = meter.u64_observable_gauge(name).with_unit("By").with_description(help);
        gauge.with_callback(move |observer| disk().into_iter().for_each(|disk| observer.observe(bytes(disk), &[]))).build();
    };
    observe("whydunit.disk.free", "Room left on the database's disk", disk.clone(), |disk| disk.free);
    observe("whydunit.disk.size", "Size of the database's disk", disk, |disk| disk.size);
}

/// The books as the last checkpoint left them: unlike counters, they go on over restarts.
fn observe_ledger(meter: &Meter, books: &Arc<dyn StoreReader>) {
    type Outcomes = fn(&LedgerSums, Unaccounted) -> Vec<(&'static str, i64)>;
    let observe = |name: &'static str, help: &'static str, outcomes: Outcomes| {
        let books = books.clone();
        let gauge = meter.i64_observable_gauge(name).with_description(help).with_callback(move |observer| {
            // What cannot be read now is left out, as a scrape shows.
            for row in books.ledger().unwrap_or_default() {
                for (outcome, count) in outcomes(&row.sums, row.unaccounted()) {
                    observer.observe(count, &of_partition(&row, outcome));
                }
            }
        });
        gauge.build();
    };
    observe(
        "whydunit.ledger.records",
        "Records of the books by partition and outcome; unaccounted other than 0 is a defect",
        |sums, open| {
            let counts = [
                ("decoded", sums.records_decoded),
                ("seen_before", sums.records_seen_before),
                ("rejected", sums.records_rejected),
                ("absent", sums.absent),
                ("missed", sums.missed),
            ];
            counts
                .map(|(outcome, count)| (outcome, signed(count)))
                .into_iter()
                .chain([("unaccounted", open.records + open.offsets)])
                .collect()
        },
    );
    observe("whydunit.ledger.items", "Items of the books by partition and outcome; unaccounted other than 0 is a defect", |sums, open| {
        let counts = [("stored", sums.items_stored), ("folded", sums.items_folded), ("seen_before", sums.items_seen_before)];
        counts.map(|(outcome, count)| (outcome, signed(count))).into_iter().chain([("unaccounted", open.items)]).collect()
    });
}

fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn of_partition(row: &LedgerRow, outcome: &'static str) -> [KeyValue; 5] {
    [
        of_connector(&row.connector),
        KeyValue::new("topic", row.partition.topic.to_string()),
        KeyValue::new("partition", i64::from(row.partition.partition)),
        KeyValue::new("incarnation", i64::from(row.partition.incarnation)),
        KeyValue::new("outcome", outcome),
    ]
}

fn health(meter: &Meter, status: &Arc<dyn PipelineStatus>, name: &'static str, help: &'static str, value: fn(&Health) -> bool) {
    let status = status.clone();
    meter
        .f64_observable_gauge(name)
        .with_description(help)
        .with_callback(move |observer| observer.observe(f64::from(u8::from(value(&status.health()))), &[]))
        .build();
}

fn gauge(
    meter: &Meter,
    status: &Arc<dyn PipelineStatus>,
    name: &'static str,
    unit: &'static str,
    help: &'static str,
    value: fn(&ConnectorStatus) -> f64,
) {
    let status = status.clone();
    meter
        .f64_observable_gauge(name)
        .with_unit(unit)
        .with_description(help)
        .with_callback(move |observer| {
            for connector in status.connectors() {
                observer.observe(value(&connector), &of(&connector));
            }
        })
        .build();
}
