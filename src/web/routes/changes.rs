//! Changes: commits, pull requests, builds, artifacts and deployments, joined when asked for.

use std::collections::BTreeSet;

use warp::Filter;

use super::Route;
use crate::model::change::{Change, ChangeList, LIFE_EVENTS};
use crate::model::ports::{StoreError, StoreReader};
use crate::model::query::{EventQuery, Paging, TimeRange};
use crate::model::{Event, Timestamp};
use crate::web::contract::query::{Kind, Param, documents, param};
use crate::web::rejection::{Answer, Problem};
use crate::web::request::{Api, Request, Segment, asked, json};
use crate::web::server::any_of;

/// Without a time, the last day is shown, seconds.
const SHOWN_S: i64 = 86_400;
/// A change is read this long before and after the time asked for: its life begins and ends there, seconds.
const AROUND_S: i64 = 2 * 86_400;
/// Events joined for one answer, to either side of an event or of a list: 20 pages.
const EVENTS_MAX: usize = 2_000;
const PER_PAGE: u32 = 100;
const LIMIT_MAX: u32 = 500;
const LIMIT: u32 = 100;

const WHICH: &[Param] = &[
    param("service", Kind::Text, "Of this service."),
    param("environment", Kind::Text, "With a step in this environment."),
    param("author", Kind::Text, "By this author."),
    param("from", Kind::Time, "With a step at or after; a day before `to` when absent."),
    param("to", Kind::Time, "With a step before; now when absent."),
    param("limit", Kind::Integer { min: 1, max: LIMIT_MAX }, "Changes at most, the newest; 100 when absent."),
];

documents!(ChangeParams: WHICH);

pub fn routes(api: &Api) -> Route {
    any_of([
        warp::path!("changes").and(warp::get()).and(asked(api)).then(list).boxed(),
        warp::path!("changes" / Segment).and(warp::get()).and(asked(api)).then(show).boxed(),
    ])
}

/// Changes with a step in a time, those with the newest step first. What a change is made of is looked for two days around that time.
#[utoipa::path(get, path = "/api/v1/changes", tag = "changes", params(ChangeParams), responses((status = 200, body = ChangeList)))]
pub async fn list(request: Request) -> Answer {
    let query = request.query(&[WHICH])?;
    query.range("from", "to")?;
    let to = query.time("to").unwrap_or_else(|| request.now());
    let from = query.time("from").unwrap_or_else(|| to.plus_seconds(-SHOWN_S));
    let time = TimeRange { from: Some(from.plus_seconds(-AROUND_S)), to: Some(to.plus_seconds(AROUND_S)) };
    let join = request.api.parts.join_changes;
    let wanted = Wanted { from, to, service: query.text("service"), environment: query.text("environment"), author: query.text("author") };
    let limit = query.integer("limit").unwrap_or(LIMIT) as usize;
    let list = request.api.read(move |reader| {
        let (events, complete) = events(reader, time, true)?;
        let mut changes: Vec<Change> = join(&events).into_iter().filter(|change| wanted.takes(change)).collect();
        let newest = |change: &Change| change.life.last().map(|step| step.at);
        changes.sort_by(|left, right| newest(right).cmp(&newest(left)).then_with(|| left.id.cmp(&right.id)));
        let complete = complete && changes.len() <= limit;
        changes.truncate(limit);
        Ok(ChangeList { from, to, complete, changes })
    });
    json(&list.await?)
}

/// One change with its life, by the id of any of its events. What it is made of is looked for two days around that event.
#[utoipa::path(get, path = "/api/v1/changes/{id}", tag = "changes", params(("id" = String, Path)),
    responses((status = 200, body = Change)))]
pub async fn show(id: Segment, request: Request) -> Answer {
    request.no_query()?;
    let join = request.api.parts.join_changes;
    let wanted = id.0.clone();
    let found = request.api.read(move |reader| {
        let Some(event) = reader.event(&wanted)? else { return Ok(None) };
        let at = event.timestamp;
        let before = TimeRange { from: Some(at.plus_seconds(-AROUND_S)), to: Some(at) };
        let after = TimeRange { from: Some(at), to: Some(at.plus_seconds(AROUND_S)) };
        let (mut all, _) = events(reader, before, true)?;
        all.extend(events(reader, after, false)?.0);
        // Many events of one instant may have left it out.
        all.push(event);
        let mut known = BTreeSet::new();
        all.retain(|event| known.insert(event.id.clone()));
        Ok(join(&all).into_iter().find(|change| change.event_ids.contains(&wanted)))
    });
    let found = found.await?;
    json(&found.ok_or_else(|| Problem::not_found(format!("no change with an event {}: GET /api/v1/changes lists them", id.0)))?)
}

/// Which changes a list shows.
struct Wanted {
    from: Timestamp,
    to: Timestamp,
    service: Option<String>,
    environment: Option<String>,
    author: Option<String>,
}

impl Wanted {
    fn takes(&self, change: &Change) -> bool {
        let any = |is: &dyn Fn(&crate::model::change::LifeStep) -> bool| change.life.iter().any(is);
        let is = |asked: &Option<String>, told: Option<&String>| asked.as_ref().is_none_or(|asked| told == Some(asked));
        any(&|step| step.at >= self.from && step.at < self.to)
            && (is(&self.service, None) || change.services.iter().any(|service| is(&self.service, Some(service))))
            && (is(&self.environment, None) || any(&|step| is(&self.environment, step.environment.as_ref())))
            && is(&self.author, change.author.as_ref())
    }
}

/// Events of changes in a time, each once, from its newest or its oldest on; and whether that is all of them.
fn events(reader: &dyn StoreReader, time: TimeRange, newest_first: bool) -> Result<(Vec<Event>, bool), StoreError> {
    let mut found: Vec<Event> = Vec::new();
    let mut paging = Paging { per_page: PER_PAGE, sort: "timestamp".to_owned(), descending: newest_first, ..Paging::default() };
    loop {
        let event_type = LIFE_EVENTS.iter().map(|name| (*name).to_owned()).collect();
        let page = reader.events(&EventQuery { event_type, time, paging: paging.clone(), ..EventQuery::default() })?;
        found.extend(page.items);
        paging.cursor = page.next_cursor;
        if paging.cursor.is_none() {
            return Ok((found, true));
        }
        if found.len() >= EVENTS_MAX {
            return Ok((found, false));
        }
    }
}
