//! Notes of an investigation.

use warp::Filter;

use super::Route;
use super::investigation::load;
use super::investigations::fresh_id;
use crate::model::command::{Action, CommandOutcome};
use crate::model::investigation::Note;
use crate::web::contract::bodies::{NewNote, NoteEdit};
use crate::web::rejection::Answer;
use crate::web::request::{Api, Request, Segment, asked, asked_with_body, created, json, no_content, unexpected, versioned};
use crate::web::server::any_of;

pub fn routes(api: &Api) -> Route {
    any_of([
        warp::path!("investigations" / Segment / "notes").and(warp::get()).and(asked(api)).then(list).boxed(),
        warp::path!("investigations" / Segment / "notes").and(warp::post()).and(asked_with_body(api)).then(add).boxed(),
        warp::path!("investigations" / Segment / "notes" / Segment).and(warp::patch()).and(asked_with_body(api)).then(edit).boxed(),
        warp::path!("investigations" / Segment / "notes" / Segment).and(warp::delete()).and(asked(api)).then(remove).boxed(),
    ])
}

/// All notes of an investigation, oldest first.
#[utoipa::path(get, path = "/api/v1/investigations/{id}/notes", tag = "notes", params(("id" = String, Path)),
    responses((status = 200, body = Vec<Note>)))]
pub async fn list(id: Segment, request: Request) -> Answer {
    request.no_query()?;
    load(&request, &id.0).await?;
    json(&request.api.read(move |reader| reader.notes(&id.0)).await?)
}

/// Adds a note.
#[utoipa::path(post, path = "/api/v1/investigations/{id}/notes", tag = "notes", params(("id" = String, Path)),
    request_body = NewNote, responses((status = 201, body = Note)))]
pub async fn add(id: Segment, mut request: Request) -> Answer {
    request.no_query()?;
    let body = NewNote::read(request.fields().await?)?;
    let now = request.now();
    let note = Note {
        id: fresh_id(&request),
        investigation_id: id.0,
        author: request.who.clone(),
        body: body.body,
        event_id: body.event_id,
        at: body.at,
        parent_id: body.parent_id,
        created_at: now,
        updated_at: now,
        version: 1,
    };
    match request.submit(Action::AddNote { note: Box::new(note) }, None).await? {
        CommandOutcome::Note(note) => {
            let location = format!("/api/v1/investigations/{}/notes/{}", note.investigation_id, note.id);
            Ok(created(versioned(&note, note.version)?, &location))
        }
        other => Err(unexpected(&other)),
    }
}

/// Changes a note's text; `If-Match` takes the note's version.
#[utoipa::path(patch, path = "/api/v1/investigations/{id}/notes/{note_id}", tag = "notes",
    params(("id" = String, Path), ("note_id" = String, Path)), request_body = NoteEdit,
    responses((status = 200, body = Note)))]
pub async fn edit(id: Segment, note_id: Segment, mut request: Request) -> Answer {
    request.no_query()?;
    let expected = request.expected_version()?;
    let body = NoteEdit::read(request.fields().await?)?;
    let action = Action::EditNote { investigation_id: id.0, note_id: note_id.0, body: body.body };
    match request.submit(action, expected).await? {
        CommandOutcome::Note(note) => versioned(&note, note.version),
        other => Err(unexpected(&other)),
    }
}

/// Removes a note.
#[utoipa::path(delete, path = "/api/v1/investigations/{id}/notes/{note_id}", tag = "notes",
    params(("id" = String, Path), ("note_id" = String, Path)), responses((status = 204)))]
pub async fn remove(id: Segment, note_id: Segment, request: Request) -> Answer {
    request.no_query()?;
    let expected = request.expected_version()?;
    request.submit(Action::DeleteNote { investigation_id: id.0, note_id: note_id.0 }, expected).await?;
    Ok(no_content())
}
