//! One investigation: read it, see its pictures, change what people own.

use warp::Filter;

use super::Route;
use super::events::{self, FILTERS as EVENT_FILTERS};
use crate::model::Event;
use crate::model::command::{Action, CommandOutcome, InvestigationPatch};
use crate::model::explanation::Explanation;
use crate::model::investigation::{Activity, Investigation, Status};
use crate::model::suspect::Suspect;
use crate::model::view::{ServiceGraph, Timeline};
use crate::web::contract::bodies::{self, AssignRequest, CloseRequest, LinkRequest, ReopenRequest, ResolveRequest, VerdictRequest};
use crate::web::contract::paging::{PAGING, paged, paging};
use crate::web::contract::query::{Kind, Param, documents, param};
use crate::web::rejection::{Answer, Problem};
use crate::web::request::{Api, Request, Segment, asked, asked_with_body, json, versioned};
use crate::web::server::any_of;

const TIMELINE: &[Param] = &[
    param("from", Kind::Time, "Start; somewhat before the onset when absent."),
    param("to", Kind::Time, "End, exclusive; the newest when absent."),
    param("step_s", Kind::Integer { min: 1, max: 86_400 }, "Seconds a bar; chosen to fit when absent."),
];

const EXPLAIN: &[Param] = &[Param { required: true, ..param("event", Kind::Text, "Id of the event.") }];

const AS_OF: &[Param] =
    &[param("at", Kind::Time, "As they were ranked then, by event time, without what people said since; as they are when absent.")];

documents!(ExplainParams: EXPLAIN);
documents!(SuspectParams: AS_OF);
documents!(TimelineParams: TIMELINE);
documents!(EventListParams: EVENT_FILTERS, PAGING);

pub fn routes(api: &Api) -> Route {
    any_of([reads(api), writes(api)])
}

fn reads(api: &Api) -> Route {
    any_of([
        warp::path!("investigations" / Segment).and(warp::get()).and(asked(api)).then(show).boxed(),
        warp::path!("investigations" / Segment / "events").and(warp::get()).and(asked(api)).then(list_events).boxed(),
        warp::path!("investigations" / Segment / "timeline").and(warp::get()).and(asked(api)).then(timeline).boxed(),
        warp::path!("investigations" / Segment / "suspects").and(warp::get()).and(asked(api)).then(suspects).boxed(),
        warp::path!("investigations" / Segment / "graph").and(warp::get()).and(asked(api)).then(graph).boxed(),
        warp::path!("investigations" / Segment / "explain").and(warp::get()).and(asked(api)).then(explain).boxed(),
        warp::path!("investigations" / Segment / "activity").and(warp::get()).and(asked(api)).then(activity).boxed(),
    ])
}

fn writes(api: &Api) -> Route {
    let body = || warp::post().and(asked_with_body(api));
    any_of([
        warp::path!("investigations" / Segment).and(warp::patch()).and(asked_with_body(api)).then(patch).boxed(),
        warp::path!("investigations" / Segment / "close").and(body()).then(close).boxed(),
        warp::path!("investigations" / Segment / "reopen").and(body()).then(reopen).boxed(),
        warp::path!("investigations" / Segment / "resolve").and(body()).then(resolve).boxed(),
        warp::path!("investigations" / Segment / "assign").and(body()).then(assign).boxed(),
        warp::path!("investigations" / Segment / "events").and(body()).then(link_event).boxed(),
        warp::path!("investigations" / Segment / "suspects" / Segment / "verdict").and(body()).then(set_verdict).boxed(),
    ])
}

/// The investigation of that id, or 404.
pub async fn load(request: &Request, id: &str) -> Result<Investigation, Problem> {
    let wanted = id.to_owned();
    let found = request.api.read(move |reader| reader.investigation(&wanted)).await?;
    found.ok_or_else(|| Problem::not_found(format!("no investigation with id {id}")))
}

/// Submits a change and answers with the investigation as it now stands.
async fn change(request: &Request, id: &str, action: Action, expected_version: Option<u64>) -> Answer {
    let investigation = match request.submit(action, expected_version).await? {
        CommandOutcome::Investigation(investigation) => *investigation,
        _ => load(request, id).await?,
    };
    versioned(&investigation, investigation.version)
}

/// One investigation: the engine's findings and what people own.
#[utoipa::path(get, path = "/api/v1/investigations/{id}", tag = "investigation", params(("id" = String, Path)),
    responses((status = 200, body = Investigation)))]
pub async fn show(id: Segment, request: Request) -> Answer {
    request.no_query()?;
    let investigation = load(&request, &id.0).await?;
    versioned(&investigation, investigation.version)
}

/// Changes what people own; needs `If-Match`.
#[utoipa::path(patch, path = "/api/v1/investigations/{id}", tag = "investigation", params(("id" = String, Path)),
    request_body = InvestigationPatch, responses((status = 200, body = Investigation)))]
pub async fn patch(id: Segment, mut request: Request) -> Answer {
    request.no_query()?;
    let expected = request.required_version()?;
    let patch = bodies::investigation_patch(request.fields().await?)?;
    change(&request, &id.0, Action::PatchInvestigation { id: id.0.clone(), patch: Box::new(patch) }, expected).await
}

/// Closes it as a false alarm or a duplicate, without a root cause.
#[utoipa::path(post, path = "/api/v1/investigations/{id}/close", tag = "investigation", params(("id" = String, Path)),
    request_body = CloseRequest, responses((status = 200, body = Investigation)))]
pub async fn close(id: Segment, mut request: Request) -> Answer {
    request.no_query()?;
    let expected = request.expected_version()?;
    let body = CloseRequest::read(request.fields().await?)?;
    let action =
        Action::CloseInvestigations { ids: vec![id.0.clone()], reason: body.reason, comment: body.comment, mute_until: body.mute_until };
    change(&request, &id.0, action, expected).await
}

/// Opens it again, with the reason.
#[utoipa::path(post, path = "/api/v1/investigations/{id}/reopen", tag = "investigation", params(("id" = String, Path)),
    request_body = ReopenRequest, responses((status = 200, body = Investigation)))]
pub async fn reopen(id: Segment, mut request: Request) -> Answer {
    request.no_query()?;
    let expected = request.expected_version()?;
    let body = ReopenRequest::read(request.fields().await?)?;
    change(&request, &id.0, Action::ReopenInvestigation { id: id.0.clone(), reason: body.reason }, expected).await
}

/// Resolves it with its root cause.
#[utoipa::path(post, path = "/api/v1/investigations/{id}/resolve", tag = "investigation", params(("id" = String, Path)),
    request_body = ResolveRequest, responses((status = 200, body = Investigation)))]
pub async fn resolve(id: Segment, mut request: Request) -> Answer {
    request.no_query()?;
    let expected = request.expected_version()?;
    let body = ResolveRequest::read(request.fields().await?)?;
    let patch = InvestigationPatch {
        status: Some(Status::Resolved),
        root_cause: Some(body.root_cause),
        remediation: body.remediation,
        lessons_learned: body.lessons_learned,
        ..InvestigationPatch::default()
    };
    change(&request, &id.0, Action::PatchInvestigation { id: id.0.clone(), patch: Box::new(patch) }, expected).await
}

/// Gives it to a person, or to nobody.
#[utoipa::path(post, path = "/api/v1/investigations/{id}/assign", tag = "investigation", params(("id" = String, Path)),
    request_body = AssignRequest, responses((status = 200, body = Investigation)))]
pub async fn assign(id: Segment, mut request: Request) -> Answer {
    request.no_query()?;
    let expected = request.expected_version()?;
    let body = AssignRequest::read(request.fields().await?)?;
    let patch = InvestigationPatch { assigned_to: Some(body.assigned_to.unwrap_or_default()), ..InvestigationPatch::default() };
    change(&request, &id.0, Action::PatchInvestigation { id: id.0.clone(), patch: Box::new(patch) }, expected).await
}

/// Links an event to it.
#[utoipa::path(post, path = "/api/v1/investigations/{id}/events", tag = "investigation", params(("id" = String, Path)),
    request_body = LinkRequest, responses((status = 200, body = Investigation)))]
pub async fn link_event(id: Segment, mut request: Request) -> Answer {
    request.no_query()?;
    let expected = request.expected_version()?;
    let body = LinkRequest::read(request.fields().await?)?;
    let reason = body.reason.unwrap_or_else(|| "linked by hand".to_owned());
    change(&request, &id.0, Action::LinkEvent { id: id.0.clone(), event_id: body.event_id, reason }, expected).await
}

/// Confirms or refutes a suspect. Its id may hold `:`; percent-encode it.
#[utoipa::path(post, path = "/api/v1/investigations/{id}/suspects/{suspect_id}/verdict", tag = "investigation",
    params(("id" = String, Path), ("suspect_id" = String, Path)), request_body = VerdictRequest,
    responses((status = 200, body = Investigation)))]
pub async fn set_verdict(id: Segment, suspect: Segment, mut request: Request) -> Answer {
    request.no_query()?;
    let expected = request.expected_version()?;
    let body = VerdictRequest::read(request.fields().await?)?;
    let action = Action::SetVerdict { id: id.0.clone(), suspect_id: suspect.0, verdict: body.verdict, comment: body.comment };
    change(&request, &id.0, action, expected).await
}

/// Events linked to it, under the filters of events.
#[utoipa::path(get, path = "/api/v1/investigations/{id}/events", tag = "investigation",
    params(("id" = String, Path), EventListParams), responses((status = 200, body = Vec<Event>)))]
pub async fn list_events(id: Segment, request: Request) -> Answer {
    let query = request.query(&[EVENT_FILTERS, PAGING])?;
    let paging = paging(&query, "-timestamp")?;
    let mut asked = events::filters(&query, paging.clone())?;
    if asked.investigation_id.as_ref().is_some_and(|other| *other != id.0) {
        return Err(Problem::bad_parameter("investigation_id", "is not the one of the path"));
    }
    load(&request, &id.0).await?;
    asked.investigation_id = Some(id.0);
    let page = request.api.read(move |reader| reader.events(&asked)).await?;
    paged(&page, &paging, &request.path, &request.query)
}

/// Counts in source lanes around it, at any zoom.
#[utoipa::path(get, path = "/api/v1/investigations/{id}/timeline", tag = "investigation",
    params(("id" = String, Path), TimelineParams), responses((status = 200, body = Timeline)))]
pub async fn timeline(id: Segment, request: Request) -> Answer {
    let query = request.query(&[TIMELINE])?;
    let range = query.range("from", "to")?;
    let step_s = query.integer("step_s");
    let wanted = id.0.clone();
    let found = request.api.read(move |reader| reader.timeline(&wanted, range, step_s)).await?;
    json(&found.ok_or_else(|| Problem::not_found(format!("no investigation with id {}", id.0)))?)
}

/// Suspects in order of rank, with evidence, counter-evidence and verdicts.
#[utoipa::path(get, path = "/api/v1/investigations/{id}/suspects", tag = "investigation",
    params(("id" = String, Path), SuspectParams), responses((status = 200, body = Vec<Suspect>)))]
pub async fn suspects(id: Segment, request: Request) -> Answer {
    if let Some(at) = request.query(&[AS_OF])?.time("at") {
        let wanted = id.0.clone();
        let found = request.api.read(move |reader| reader.suspects_at(&wanted, at)).await?;
        return json(&found.ok_or_else(|| Problem::not_found(format!("no investigation with id {}", id.0)))?);
    }
    json(&load(&request, &id.0).await?.findings.map(|findings| findings.suspects).unwrap_or_default())
}

/// Services and calls around it.
#[utoipa::path(get, path = "/api/v1/investigations/{id}/graph", tag = "investigation", params(("id" = String, Path)),
    responses((status = 200, body = ServiceGraph)))]
pub async fn graph(id: Segment, request: Request) -> Answer {
    request.no_query()?;
    json(&load(&request, &id.0).await?.findings.map(|findings| findings.graph).unwrap_or_default())
}

/// Who did what, when.
#[utoipa::path(get, path = "/api/v1/investigations/{id}/activity", tag = "investigation", params(("id" = String, Path)),
    responses((status = 200, body = Vec<Activity>)))]
pub async fn activity(id: Segment, request: Request) -> Answer {
    request.no_query()?;
    load(&request, &id.0).await?;
    json(&request.api.read(move |reader| reader.activity(&id.0)).await?)
}

/// Why an event is in it; of an event that is not, why not.
#[utoipa::path(get, path = "/api/v1/investigations/{id}/explain", tag = "investigation", params(("id" = String, Path), ExplainParams),
    responses((status = 200, body = Explanation)))]
pub async fn explain(id: Segment, request: Request) -> Answer {
    let query = request.query(&[EXPLAIN])?;
    let event_id = query.text("event").unwrap_or_default();
    let investigation = load(&request, &id.0).await?;
    let (wanted, linked) = (event_id.clone(), (id.0, event_id.clone()));
    let event = request.api.read(move |reader| reader.event(&wanted)).await?;
    let event = event.ok_or_else(|| Problem::not_found(format!("no event with id {event_id}")))?;
    let link = request.api.read(move |reader| reader.event_link(&linked.0, &linked.1)).await?;
    json(&(request.api.parts.explain)(&event, link.as_ref(), &investigation))
}
