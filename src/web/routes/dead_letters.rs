//! Dead letters: records that could not be read.

use warp::Filter;
use warp::http::StatusCode;

use super::Route;
use crate::model::command::{Action, CommandOutcome, LetterSelection};
use crate::model::dead_letter::{DeadLetterGroup, DeadLetterView, DryRun, LetterStatus, RejectionClass, ReplayRun};
use crate::model::query::DeadLetterQuery;
use crate::web::contract::bodies::{DiscardRequest, PROSE_CHARS_MAX};
use crate::web::contract::letters::{DiscardManyRequest, EditedRequest, LettersTaken, SelectionRequest};
use crate::web::contract::paging::{PAGING, paged, paging};
use crate::web::contract::query::{Kind, Param, documents, param};
use crate::web::rejection::{Answer, Problem};
use crate::web::request::{Api, Request, Segment, asked, asked_with_body, json, no_content};
use crate::web::server::any_of;

const CLASSES: &[&str] = &["tombstone", "empty", "unknown_format", "malformed", "no_items", "invalid_field", "too_large", "panic"];
const STATUSES: &[&str] = &["waiting", "replaying", "replayed", "discarded"];

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
        warp::path!("dead-letters" / "replays").and(warp::get()).and(asked(api)).then(replay_runs).boxed(),
        warp::path!("dead-letters" / "replay").and(warp::post()).and(asked_with_body(api)).then(replay_many).boxed(),
        warp::path!("dead-letters" / "discard").and(warp::post()).and(asked_with_body(api)).then(discard_many).boxed(),
        warp::path!("dead-letters" / "restore").and(warp::post()).and(asked_with_body(api)).then(restore_many).boxed(),
        warp::path!("dead-letters" / Segment / "restore").and(warp::post()).and(asked(api)).then(restore).boxed(),
        warp::path!("dead-letters" / Segment / "dry-run").and(warp::post()).and(asked_with_body(api)).then(dry_run).boxed(),
        warp::path!("dead-letters" / Segment / "reveal").and(warp::post()).and(asked(api)).then(reveal).boxed(),
        warp::path!("dead-letters" / Segment / "replay").and(warp::post()).and(asked_with_body(api)).then(replay).boxed(),
        warp::path!("dead-letters" / Segment).and(warp::get()).and(asked(api)).then(show).boxed(),
        warp::path!("dead-letters" / Segment).and(warp::delete()).and(asked_with_body(api)).then(discard).boxed(),
    ])
}

/// Lists dead letters, newest failure first, without their bytes.
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
    let mut page = request.api.read(move |reader| reader.dead_letters(&asked)).await?;
    page.items.iter_mut().for_each(DeadLetterView::hide);
    paged(&page, &paging, &request.path, &request.query)
}

/// Dead letters by the reason they failed for.
#[utoipa::path(get, path = "/api/v1/dead-letters/groups", tag = "dead letters",
    responses((status = 200, body = Vec<DeadLetterGroup>)))]
pub async fn groups(request: Request) -> Answer {
    request.no_query()?;
    json(&request.api.read(|reader| reader.dead_letter_groups()).await?)
}

/// Decisions to replay, newest first, each with how far it is.
#[utoipa::path(get, path = "/api/v1/dead-letters/replays", tag = "dead letters",
    responses((status = 200, body = Vec<ReplayRun>)))]
pub async fn replay_runs(request: Request) -> Answer {
    request.no_query()?;
    json(&request.api.read(|reader| reader.replay_runs()).await?)
}

/// One dead letter, without its bytes: `POST /dead-letters/{id}/reveal` shows them.
#[utoipa::path(get, path = "/api/v1/dead-letters/{id}", tag = "dead letters", params(("id" = String, Path)),
    responses((status = 200, body = DeadLetterView)))]
pub async fn show(id: Segment, request: Request) -> Answer {
    request.no_query()?;
    let wanted = id.0.clone();
    let found = request.api.read(move |reader| reader.dead_letter(&wanted)).await?;
    let mut letter = found.ok_or_else(|| Problem::not_found(format!("no dead letter with id {}", id.0)))?;
    letter.hide();
    json(&letter)
}

/// One dead letter with its bytes, as they came and with what is secret in them. Who asked is kept as activity and logged.
#[utoipa::path(post, path = "/api/v1/dead-letters/{id}/reveal", tag = "dead letters", params(("id" = String, Path)),
    responses((status = 200, body = DeadLetterView)))]
pub async fn reveal(id: Segment, request: Request) -> Answer {
    request.no_query()?;
    request.submit(Action::RevealDeadLetter { id: id.0.clone() }, None).await?;
    tracing::info!(letter = id.0, who = request.who, "a person asked for the bytes of a dead letter");
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
    request.submit(Action::DiscardDeadLetters { select: LetterSelection::One(id.0), reason }, None).await?;
    Ok(no_content())
}

/// Decodes it again with the settings as they are now, edited or not, and shows what would come of it. Nothing is stored.
#[utoipa::path(post, path = "/api/v1/dead-letters/{id}/dry-run", tag = "dead letters", params(("id" = String, Path)),
    request_body(content = Option<EditedRequest>), responses((status = 200, body = DryRun)))]
pub async fn dry_run(id: Segment, mut request: Request) -> Answer {
    request.no_query()?;
    let edited = EditedRequest::read(request.fields_if_any().await?)?;
    let dry_runs = request.api.parts.dry_runs.clone();
    let wanted = id.0.clone();
    let found = request.api.read(move |reader| {
        let letter = reader.letter_record(&wanted)?;
        Ok(letter.map(|letter| dry_runs.dry_run(&letter, edited.as_deref())))
    });
    json(&found.await?.ok_or_else(|| Problem::not_found(format!("no dead letter with id {}", id.0)))?)
}

/// Decodes it again, edited or not, and takes in what can be read. One that still cannot be read waits again, with
/// `replay_count` one higher. The order is durable when this answers; what came of it shows in the letter's status.
#[utoipa::path(post, path = "/api/v1/dead-letters/{id}/replay", tag = "dead letters", params(("id" = String, Path)),
    request_body(content = Option<EditedRequest>), responses((status = 202, body = LettersTaken)))]
pub async fn replay(id: Segment, mut request: Request) -> Answer {
    request.no_query()?;
    let edited = EditedRequest::read(request.fields_if_any().await?)?;
    taken(&request, Action::ReplayDeadLetters { select: LetterSelection::One(id.0), edited }).await
}

/// Decodes many again, at the rate of `dead_letters.replays_per_second`; `GET /dead-letters/replays` shows how far it is.
#[utoipa::path(post, path = "/api/v1/dead-letters/replay", tag = "dead letters", request_body = SelectionRequest,
    responses((status = 202, body = LettersTaken)))]
pub async fn replay_many(mut request: Request) -> Answer {
    request.no_query()?;
    let select = SelectionRequest::read(request.fields().await?)?;
    taken(&request, Action::ReplayDeadLetters { select, edited: None }).await
}

/// Sets many aside for good, with the reason; their bytes stay.
#[utoipa::path(post, path = "/api/v1/dead-letters/discard", tag = "dead letters", request_body = DiscardManyRequest,
    responses((status = 202, body = LettersTaken)))]
pub async fn discard_many(mut request: Request) -> Answer {
    request.no_query()?;
    let (select, reason) = DiscardManyRequest::read(request.fields().await?)?;
    taken(&request, Action::DiscardDeadLetters { select, reason }).await
}

/// Takes back that it was discarded: it waits again.
#[utoipa::path(post, path = "/api/v1/dead-letters/{id}/restore", tag = "dead letters", params(("id" = String, Path)),
    responses((status = 202, body = LettersTaken)))]
pub async fn restore(id: Segment, request: Request) -> Answer {
    request.no_query()?;
    taken(&request, Action::RestoreDeadLetters { select: LetterSelection::One(id.0) }).await
}

/// Takes back that many were discarded: they wait again.
#[utoipa::path(post, path = "/api/v1/dead-letters/restore", tag = "dead letters", request_body = SelectionRequest,
    responses((status = 202, body = LettersTaken)))]
pub async fn restore_many(mut request: Request) -> Answer {
    request.no_query()?;
    let select = SelectionRequest::read(request.fields().await?)?;
    taken(&request, Action::RestoreDeadLetters { select }).await
}

async fn taken(request: &Request, action: Action) -> Answer {
    let count = match request.submit(action, None).await? {
        CommandOutcome::Letters { count } => count,
        _ => 0,
    };
    let mut response = json(&LettersTaken { count })?;
    *response.status_mut() = StatusCode::ACCEPTED;
    Ok(response)
}
