//! Investigations as a list: find, count, open, close many.

use uuid::{NoContext, Uuid};
use warp::Filter;

use super::Route;
use crate::model::Severity;
use crate::model::command::{Action, CommandOutcome, NewInvestigation};
use crate::model::investigation::{Investigation, InvestigationSummary, Priority, Status};
use crate::model::query::{InvestigationQuery, Paging};
use crate::model::view::Facet;
use crate::web::contract::bodies::{self, BulkCloseRequest, Closed, PRIORITIES, SEVERITIES, STATUSES};
use crate::web::contract::paging::{PAGING, paged, paging};
use crate::web::contract::query::{Kind, Param, Query, documents, param};
use crate::web::rejection::{Answer, Problem};
use crate::web::request::{Api, Request, asked, asked_with_body, created, json, unexpected, versioned};
use crate::web::server::any_of;

pub const FILTERS: &[Param] = &[
    param("status", Kind::Choices(STATUSES), "Any of these."),
    param("severity", Kind::Choices(SEVERITIES), "Impact severity, any of these."),
    param("priority", Kind::Choices(PRIORITIES), "Any of these."),
    param("service", Kind::Texts, "Service affected, any of these."),
    param("component", Kind::Texts, "Component affected, any of these."),
    param("environment", Kind::Texts, "Any of these."),
    param("assigned_to", Kind::Texts, "Any of these people."),
    param("tag", Kind::Texts, "Any of these."),
    param("created_from", Kind::Time, "Created at or after."),
    param("created_to", Kind::Time, "Created before."),
    param("started_from", Kind::Time, "Onset at or after."),
    param("started_to", Kind::Time, "Onset before."),
    param("resolved_from", Kind::Time, "Resolved at or after."),
    param("resolved_to", Kind::Time, "Resolved before."),
    param("q", Kind::Text, "Words in title, symptom, description, suspects."),
];

documents!(ListParams: FILTERS, PAGING);
documents!(FilterParams: FILTERS);

pub fn routes(api: &Api) -> Route {
    any_of([
        warp::path!("investigations").and(warp::get()).and(asked(api)).then(list).boxed(),
        warp::path!("investigations").and(warp::post()).and(asked_with_body(api)).then(create).boxed(),
        warp::path!("investigations" / "facets").and(warp::get()).and(asked(api)).then(facets).boxed(),
        warp::path!("investigations" / "close").and(warp::post()).and(asked_with_body(api)).then(close_many).boxed(),
    ])
}

fn filters(query: &Query, paging: Paging) -> Result<InvestigationQuery, Problem> {
    Ok(InvestigationQuery {
        status: query.choices("status", Status::parse),
        severity: query.choices("severity", Severity::parse),
        priority: query.choices("priority", Priority::parse),
        service: query.texts("service"),
        component: query.texts("component"),
        environment: query.texts("environment"),
        assigned_to: query.texts("assigned_to"),
        tag: query.texts("tag"),
        created: query.range("created_from", "created_to")?,
        started: query.range("started_from", "started_to")?,
        resolved: query.range("resolved_from", "resolved_to")?,
        text: query.text("q"),
        paging,
    })
}

/// Lists investigations, newest change first.
#[utoipa::path(get, path = "/api/v1/investigations", tag = "investigations", params(ListParams),
    responses((status = 200, body = Vec<InvestigationSummary>)))]
pub async fn list(request: Request) -> Answer {
    let query = request.query(&[FILTERS, PAGING])?;
    let paging = paging(&query, "-updated_at")?;
    let asked = filters(&query, paging.clone())?;
    let page = request.api.read(move |reader| reader.investigations(&asked)).await?;
    paged(&page, &paging, &request.path, &request.query)
}

/// Counts investigations by the values of each field, under the same filters as the list.
#[utoipa::path(get, path = "/api/v1/investigations/facets", tag = "investigations", params(FilterParams),
    responses((status = 200, body = Vec<Facet>)))]
pub async fn facets(request: Request) -> Answer {
    let query = request.query(&[FILTERS])?;
    let asked = filters(&query, Paging::default())?;
    json(&request.api.read(move |reader| reader.investigation_facets(&asked)).await?)
}

/// Opens an investigation by hand.
#[utoipa::path(post, path = "/api/v1/investigations", tag = "investigations", request_body = NewInvestigation,
    responses((status = 201, body = Investigation)))]
pub async fn create(mut request: Request) -> Answer {
    request.no_query()?;
    let new = bodies::new_investigation(request.fields().await?)?;
    let action = Action::CreateInvestigation { id: fresh_id(&request), new: Box::new(new) };
    match request.submit(action, None).await? {
        CommandOutcome::Investigation(made) => {
            let location = format!("/api/v1/investigations/{}", made.id);
            Ok(created(versioned(&made, made.version)?, &location))
        }
        other => Err(unexpected(&other)),
    }
}

/// Closes several investigations as false alarms or duplicates.
#[utoipa::path(post, path = "/api/v1/investigations/close", tag = "investigations", request_body = BulkCloseRequest,
    responses((status = 200, body = Closed)))]
pub async fn close_many(mut request: Request) -> Answer {
    request.no_query()?;
    let body = BulkCloseRequest::read(request.fields().await?)?;
    let action = Action::CloseInvestigations { ids: body.ids, reason: body.reason, comment: body.comment, mute_until: body.mute_until };
    match request.submit(action, None).await? {
        CommandOutcome::Closed { ids } => json(&Closed { ids }),
        other => Err(unexpected(&other)),
    }
}

/// A UUIDv7 for what a person creates.
pub fn fresh_id(request: &Request) -> String {
    let nanos = request.now().nanos().max(0).unsigned_abs();
    let seconds = nanos / 1_000_000_000;
    let rest = u32::try_from(nanos % 1_000_000_000).unwrap_or(0);
    Uuid::new_v7(uuid::Timestamp::from_unix(NoContext, seconds, rest)).to_string()
}
