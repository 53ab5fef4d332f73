//! The way out: HTTP API, live updates, canvas; metrics and probes on a listener of their own.
//!
//! | method | path under `/api/v1` | answers with |
//! |---|---|---|
//! | GET POST | `/investigations` | the list, filtered and paged; a new one |
//! | GET | `/investigations/facets` | counts by field under the same filters |
//! | POST | `/investigations/close` | closes many as false alarm or duplicate |
//! | GET PATCH | `/investigations/{id}` | one, ETag and `If-Match` |
//! | POST | `/investigations/{id}/close` `/reopen` `/resolve` `/assign` | the investigation as it now stands |
//! | GET POST | `/investigations/{id}/events` | its events; links one |
//! | GET | `/investigations/{id}/timeline` `/suspects` `/graph` `/activity` | its pictures |
//! | GET | `/investigations/{id}/suspects?at=` | what was known then |
//! | GET | `/investigations/{id}/explain?event=` | why an event is in it, or why it is not |
//! | POST | `/investigations/{id}/suspects/{suspect_id}/verdict` | a person's verdict |
//! | GET POST | `/investigations/{id}/notes` | its notes; a new one |
//! | PATCH DELETE | `/investigations/{id}/notes/{note_id}` | one note |
//! | GET POST | `/events` | the list; an event told by hand (202: durable, listed soon) |
//! | GET | `/events/search` `/events/facets` `/events/{id}` | by words; counts; one |
//! | GET | `/events/{id}/source-record` | its record as the broker has it now, or since when it is gone |
//! | GET | `/connectors` `/connectors/{name}` | how they fare |
//! | POST | `/connectors/{name}/pause` `/resume` `/reset` | 202: the order is given |
//! | GET | `/dead-letters` `/dead-letters/groups` `/dead-letters/{id}` | records that could not be read |
//! | DELETE | `/dead-letters/{id}` | discards one, with a reason |
//! | POST | `/dead-letters/{id}/dry-run` | what it would become now, nothing stored |
//! | POST | `/dead-letters/{id}/replay` `/dead-letters/replay` | decodes one or many again (202: the order is durable) |
//! | POST | `/dead-letters/discard` | discards many, with a reason |
//! | GET | `/analytics/summary` | counts and medians |
//! | GET | `/changes` `/changes/{id}` | commits, builds and deployments joined into changes; one, by any of its events |
//! | GET | `/aliases` | names that mean another service, and who said so |
//! | PUT DELETE | `/aliases/{name}` | sets one; takes one back |
//! | GET | `/topology?at=` | who calls whom, now or at a time |
//! | GET | `/notifications` | what people were told of investigations, and what came of telling each channel |
//! | GET | `/notifications/channels` | who is told, and how that fares |
//! | GET | `/health` `/openapi.json` | how the process fares; this API's document |
//! | GET | `/stream` | live updates as server-sent events |
//!
//! `/v1/{logs,metrics,traces}`, `/api/v1/write` and `/ingest/{source}` take records: see [`ingest`].
//! Everything else outside `/api` is the canvas. Refusals are RFC 9457 problem details, lists are JSON arrays with their
//! paging in headers.

pub mod assets;
pub mod auth;
pub mod contract;
pub mod ingest;
pub mod limits;
pub mod live;
pub mod ops;
pub mod options;
pub mod rejection;
pub mod request;
pub mod routes;
pub mod server;

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, watch};

use crate::model::Timestamp;
use crate::model::ports::{
    Channels, Commands, ConnectorControl, DryRuns, Explain, JoinChanges, PipelineStatus, SourceRecords, StoreReader,
};

pub use ingest::{Auto, Enabled, Ingest, IngestOptions};
pub use live::Hub;
pub use ops::serve_ops;
pub use options::{OpsOptions, OptionError, Options};
pub use server::{ServeError, Server};

/// The ports behind the API.
#[derive(Clone)]
pub struct Parts {
    pub reader: Arc<dyn StoreReader>,
    pub commands: Arc<dyn Commands>,
    pub status: Arc<dyn PipelineStatus>,
    pub control: Arc<dyn ConnectorControl>,
    pub dry_runs: Arc<dyn DryRuns>,
    pub source_records: Arc<dyn SourceRecords>,
    pub explain: Explain,
    pub join_changes: JoinChanges,
    pub live: Hub,
    pub channels: Arc<dyn Channels>,
    /// What takes records over HTTP; `None` where nothing is taken.
    pub ingest: Option<Ingest>,
    pub now: fn() -> Timestamp,
    pub version: &'static str,
}

impl fmt::Debug for Parts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parts").field("version", &self.version).finish_non_exhaustive()
    }
}

/// Serves API and canvas on the current runtime until `shutdown` resolves; answers under way are finished, live streams
/// end at once. Fails when a setting cannot hold or the address is taken, naming both.
pub async fn serve(options: &Options, parts: Parts, shutdown: impl Future<Output = ()> + Send + 'static) -> Result<Server, ServeError> {
    options.validate()?;
    if let Some(ingest) = &parts.ingest {
        ingest.options.validate()?;
    }
    let options = Arc::new(options.clone());
    let closing = watch::Sender::new(false);
    let streams = Arc::new(Semaphore::new(options.max_streams));
    let api = request::Api::new(options.clone(), parts);
    let filter = server::any_of([ingest::routes(&api), routes::routes(&api, streams, &closing), assets::routes()]);
    let taking = api.parts.ingest.as_ref().map(|ingest| ingest.options.clone());
    let admit = admission(options.clone(), taking, api.parts.now);
    let listener = server::Listener {
        listen: options.listen,
        setting: "web.listen",
        max_connections: options.max_connections,
        header_timeout: Duration::from_millis(options.timeout_ms),
        shutdown_timeout: Duration::from_millis(options.shutdown_ms),
        admit,
        closing,
    };
    listener.start(filter, shutdown).await
}

/// Who may ask, and how often. What brings records is bounded by the room there is for them.
fn admission(options: Arc<Options>, taking: Option<Arc<IngestOptions>>, now: fn() -> Timestamp) -> Arc<server::Admit> {
    let allowances = limits::Allowances::new(options.max_requests_per_minute);
    Arc::new(move |ends, method, path, headers| {
        let person = auth::admit(&options, taking.as_deref(), ends, method, path, headers)?;
        let budget = if server::is_api(path) && !ingest::is_path(path) { allowances.take(ends.remote.ip(), now())? } else { None };
        Ok(server::Admission { person, budget })
    })
}
