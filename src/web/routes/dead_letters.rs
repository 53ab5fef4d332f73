//! Dead letters: records that could not be read.

use warp::Filter;

use super::Route;
use crate::model::command::Action;
use crate::model::dead_letter::{DeadLetterGroup, DeadLetterView, LetterStatus, RejectionClass};
use crate::model::query::DeadLetterQuery;
use crate::web::contract::bodies::{DiscardRequest, PROSE_CHARS_MAX};
use crate::web::contract::paging::{PAGING, paged, paging};
use crate::web::contract::query::{Kind, Param, documents, param};
use crate::web::rejection::{Answer, Problem};
use crate::web::request::{Api, Request, Segment, asked, asked_with_body, json, no_content};
use crate::web::server::any_of;

const CLASSES: &[&str] = &["tombstone", "empty", "unknown_format", "malformed", "no_items", "invalid_field", "too_large", "panic"];
const STATUSES: &[&str] = &["waiting", "replayed", "discarded"];

const FILTERS: &[Param] = &[
    param("connector", Kind::Texts, "Any of these."),
    param("topic", Kind::Texts, "Any of these."),
    param("error_class", Kind::Choices(CLASSES), "Any of these."),
    param("fingerprint", Kind::Text, "Of this group."),
    param("status", Kind::Choices(STATUSES), "Any of these."),
    param("from", Kind::Time, "Last failed at or after."),
    param("to", Kind::Time, "Last failed before."),
];
const DISCARD: &[Param] = &[param("reason", Kind::Text, "Why nobody will need it; or give it in the body.")];

documents!(ListParams: FILTERS, PAGING);
documents!(DiscardParams: DISCARD);

pub fn routes(api: &Api) -> Route {
    any_of([
        warp::path!("dead-letters").and(warp::get()).and(asked(api)).then(list).boxed(),
        warp::path!("dead-letters" / "groups").and(warp::get()).and(asked(api)).then(groups).boxed(),
        warp::path!("dead-letters" / Segment).and(warp::get()).and(asked(api)).then(show).boxed(),
        warp::path!("dead-letters" / Segment).and(warp::delete()).and(asked_with_body(api)).then(discard).boxed(),
    ])
}

/// Lists dead letters, newest failure first.
#[utoipa::path(get, path = "/api/v1/dead-letters", tag = "dead letters", params(ListParams),
    responses((status = 200, body = Vec<DeadLetterView>)))]
pub async fn list(request: Request) -> Answer {
    let query = request.query(&[FILTERS, PAGING])?;
    let paging = paging(&query, "-last_failed_at")?;
    let asked = DeadLetterQuery {
        connector: query.texts("connector"),
        topic: query.texts("topic"),
        error_class: query.choices("error_class", RejectionClass::parse),
        fingerprint: query.text("fingerprint"),
        status: query.choices("status", LetterStatus::parse),
        time: query.range("from", "to")?,
        paging: paging.clone(),
    };
    let page = request.api.read(move |reader| reader.dead_letters(&asked)).await?;
    paged(&page, &paging, &request.path, &request.query)
}

/// Dead letters by the reason they failed for.
#[utoipa::path(get, path = "/api/v1/dead-letters/groups", tag = "dead letters",
    responses((status = 200, body = Vec<DeadLetterGroup>)))]
pub async fn groups(request: Request) -> Answer {
    request.no_query()?;
    json(&request.api.read(|reader| reader.dead_letter_groups()).await?)
}

/// One dead letter with its bytes.
#[utoipa::path(get, path = "/api/v1/dead-letters/{id}", tag = "dead letters", params(("id" = String, Path)),
    responses((status = 200, body = DeadLetterView)))]
pub async fn show(id: Segment, request: Request) -> Answer {
    request.no_query()?;
    let wanted = id.0.clone();
    let found = request.api.read(move |reader| reader.dead_letter(&wanted)).await?;
    json(&found.ok_or_else(|| Problem::not_found(format!("no dead letter with id {}", id.0)))?)
}

/// Sets it aside for good, with the reason; its bytes stay.
#[utoipa::path(delete, path = "/api/v1/dead-letters/{id}", tag = "dead letters",
    params(("id" = String, Path), DiscardParams), request_body(content = Option<DiscardRequest>),
    responses((status = 204)))]
pub async fn discard(id: Segment, mut request: Request) -> Answer {
    let query = request.query(&[DISCARD])?;
    let reason = match query.text("reason") {
        Some(reason) if reason.chars().count() <= PROSE_CHARS_MAX => reason,
        _ => DiscardRequest::read(request.fields_if_any().await?)?.reason,
    };
    request.submit(Action::DiscardDeadLetter { id: id.0, reason }, None).await?;
    Ok(no_content())
}
