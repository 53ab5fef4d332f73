//! Events: find them, look at one, tell of one by hand.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use warp::Filter;
use warp::http::StatusCode;

use super::Route;
use super::investigations::fresh_id;
use crate::model::command::{Action, CommandOutcome};
use crate::model::ledger::LedgerRow;
use crate::model::position::{PartitionKey, Position};
use crate::model::query::{EventQuery, Paging};
use crate::model::source_record::{self, Fetched, SourceRecord};
use crate::model::view::Facet;
use crate::model::{Event, Severity, Source};
use crate::web::contract::bodies::{NewEvent, SEVERITIES};
use crate::web::contract::paging::{PAGING, paged, paging};
use crate::web::contract::query::{Kind, Param, Query, documents, param};
use crate::web::rejection::{Answer, Problem};
use crate::web::request::{Api, Request, Segment, asked, asked_with_body, json, located, unexpected};
use crate::web::server::any_of;

const SOURCES: &[&str] = &["git", "ci", "metrics", "logs", "traces", "manual"];

/// Filters of events, wherever they are listed.
pub const FILTERS: &[Param] = &[
    param("source", Kind::Choices(SOURCES), "Any of these."),
    param("severity", Kind::Choices(SEVERITIES), "Any of these."),
    param("type", Kind::Texts, "Event type, any of these."),
    param("service", Kind::Texts, "Any of these."),
    param("environment", Kind::Texts, "Any of these."),
    param("trace_id", Kind::Text, "Of this trace."),
    param("tag", Kind::Texts, "Any of these."),
    param("investigation_id", Kind::Text, "Linked to this investigation."),
    param("from", Kind::Time, "Happened at or after."),
    param("to", Kind::Time, "Happened before."),
    TEXT,
];
const TEXT: Param = param("q", Kind::Text, "Words in title, service, tags.");
const SEARCH_FILTERS: [Param; FILTERS.len()] = with_required_text();

const fn with_required_text() -> [Param; FILTERS.len()] {
    let mut filters = [TEXT; FILTERS.len()];
    let mut index = 0;
    while index < FILTERS.len() {
        filters[index] = FILTERS[index];
        index += 1;
    }
    // `q` stands last.
    filters[FILTERS.len() - 1].required = true;
    filters
}

documents!(ListParams: FILTERS, PAGING);
documents!(SearchParams: &SEARCH_FILTERS, PAGING);
documents!(FilterParams: FILTERS);

pub fn routes(api: &Api) -> Route {
    any_of([
        warp::path!("events").and(warp::get()).and(asked(api)).then(list).boxed(),
        warp::path!("events").and(warp::post()).and(asked_with_body(api)).then(create).boxed(),
        warp::path!("events" / "search").and(warp::get()).and(asked(api)).then(search).boxed(),
        warp::path!("events" / "facets").and(warp::get()).and(asked(api)).then(facets).boxed(),
        warp::path!("events" / Segment).and(warp::get()).and(asked(api)).then(show).boxed(),
        warp::path!("events" / Segment / "source-record").and(warp::get()).and(asked(api)).then(source_record).boxed(),
    ])
}

pub fn filters(query: &Query, paging: Paging) -> Result<EventQuery, Problem> {
    Ok(EventQuery {
        source: query.choices("source", Source::parse),
        severity: query.choices("severity", Severity::parse),
        event_type: query.texts("type"),
        service: query.texts("service"),
        environment: query.texts("environment"),
        trace_id: query.text("trace_id"),
        tag: query.texts("tag"),
        investigation_id: query.text("investigation_id"),
        time: query.range("from", "to")?,
        text: query.text("q"),
        paging,
    })
}

/// Lists events, newest first.
#[utoipa::path(get, path = "/api/v1/events", tag = "events", params(ListParams),
    responses((status = 200, body = Vec<Event>)))]
pub async fn list(request: Request) -> Answer {
    page_of(&request, FILTERS).await
}

/// Finds events by words; the filters of the list hold too.
#[utoipa::path(get, path = "/api/v1/events/search", tag = "events", params(SearchParams),
    responses((status = 200, body = Vec<Event>)))]
pub async fn search(request: Request) -> Answer {
    page_of(&request, &SEARCH_FILTERS).await
}

async fn page_of(request: &Request, table: &'static [Param]) -> Answer {
    let query = request.query(&[table, PAGING])?;
    let paging = paging(&query, "-timestamp")?;
    let asked = filters(&query, paging.clone())?;
    let page = request.api.read(move |reader| reader.events(&asked)).await?;
    paged(&page, &paging, &request.path, &request.query)
}

/// Counts events by the values of each field, under the same filters as the list.
#[utoipa::path(get, path = "/api/v1/events/facets", tag = "events", params(FilterParams),
    responses((status = 200, body = Vec<Facet>)))]
pub async fn facets(request: Request) -> Answer {
    let query = request.query(&[FILTERS])?;
    let asked = filters(&query, Paging::default())?;
    json(&request.api.read(move |reader| reader.event_facets(&asked)).await?)
}

/// One event.
#[utoipa::path(get, path = "/api/v1/events/{id}", tag = "events", params(("id" = String, Path)),
    responses((status = 200, body = Event)))]
pub async fn show(id: Segment, request: Request) -> Answer {
    request.no_query()?;
    let wanted = id.0.clone();
    let found = request.api.read(move |reader| reader.event(&wanted)).await?;
    json(&found.ok_or_else(|| Problem::not_found(format!("no event with id {}", id.0)))?)
}

/// The record an event was made from, read from its broker now; where the broker does not have it any more, since when, and what the
/// event kept of it.
#[utoipa::path(get, path = "/api/v1/events/{id}/source-record", tag = "events", params(("id" = String, Path)),
    responses((status = 200, body = SourceRecord)))]
pub async fn source_record(id: Segment, request: Request) -> Answer {
    request.no_query()?;
    let wanted = id.0.clone();
    let found = request.api.read(move |reader| Ok(reader.event(&wanted)?.zip(Some(reader.ledger()?)))).await?;
    let (event, ledger) = found.ok_or_else(|| Problem::not_found(format!("no event with id {}", id.0)))?;
    let fetched = match source_record::place_of(&event).cloned() {
        Some(provenance) => Some(match is_of_an_older_topic(&provenance.position, &ledger) {
            true => Fetched::Elsewhere("the topic was made anew since".to_owned()),
            false => request.api.fetch(provenance).await?,
        }),
        None => None,
    };
    json(&source_record::source_record(&event, fetched.as_ref(), |bytes| STANDARD.encode(bytes)))
}

/// The books know a newer life of the partition.
fn is_of_an_older_topic(position: &Position, ledger: &[LedgerRow]) -> bool {
    let key = &position.partition;
    let is_newer = |row: &&LedgerRow| {
        let PartitionKey { cluster, topic, incarnation, partition } = &row.partition;
        (cluster, topic, partition) == (&key.cluster, &key.topic, &key.partition) && *incarnation > key.incarnation
    };
    ledger.iter().any(|row| is_newer(&row))
}

/// Takes an event told by hand. It is durable when this answers, and listed once the pipeline has read it.
#[utoipa::path(post, path = "/api/v1/events", tag = "events", request_body = NewEvent,
    responses((status = 202, body = Event)))]
pub async fn create(mut request: Request) -> Answer {
    request.no_query()?;
    let body = NewEvent::read(request.fields().await?)?;
    let event = body.event(fresh_id(&request), request.now());
    match request.submit(Action::CreateEvent { event: Box::new(event) }, None).await? {
        CommandOutcome::Event(event) => {
            let mut response = located(json(&event)?, &format!("/api/v1/events/{}", event.id));
            *response.status_mut() = StatusCode::ACCEPTED;
            Ok(response)
        }
        other => Err(unexpected(&other)),
    }
}
