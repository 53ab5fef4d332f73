//! The lanes of an investigation: bars of counts, marks of single events, and what people did.

use rusqlite::{Connection, OptionalExtension, params};

use super::dims;
use super::investigations::{activity, notes, time, time_or_none};
use crate::model::event::truncate;
use crate::model::query::TimeRange;
use crate::model::time::Bucket;
use crate::model::view::{Bar, Lane, Mark, Timeline};
use crate::model::{Severity, Source, Timestamp};
use crate::store::error::{Fault, bad_query};

/// Steps over the whole range, at most.
const STEPS_MAX: i64 = 240;
/// Steps a caller may ask for.
const STEPS_LIMIT: i64 = 2_000;
const MARKS_LIMIT: usize = 200;
const DAY_S: i64 = 86_400;
/// Longest range: a year.
const RANGE_LIMIT_S: i64 = 366 * DAY_S;

/// Events that can be the cause of something stand in a lane of their own; see `Event::is_change`.
const CHANGE_TYPES: &str = "'commit', 'push', 'deployment', 'pull_request_merged', 'change_merged', 'feature_flag', 'config_change', \
                            'release', 'rollback'";

struct Subject {
    environment: Option<String>,
    started_at: Timestamp,
    detected_at: Timestamp,
    /// Event time up to which it reaches.
    until: Timestamp,
}

/// The range cut into steps.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Steps {
    from: Timestamp,
    to: Timestamp,
    step_s: i64,
}

pub(super) fn timeline(connection: &Connection, id: &str, range: TimeRange, step_s: Option<u32>) -> Result<Option<Timeline>, Fault> {
    let Some(subject) = subject(connection, id)? else { return Ok(None) };
    let from = range.from.unwrap_or(subject.started_at.plus_seconds(-30 * 60));
    let to = range.to.unwrap_or_else(|| subject.until.plus_seconds(5 * 60).max(from.plus_seconds(Bucket::SECONDS)));
    let steps = steps(from, to, step_s)?;
    let mut lanes = vec![lane(connection, id, &subject, steps, "changes", None)?];
    for source in [Source::Git, Source::Ci, Source::Metrics, Source::Logs, Source::Traces, Source::Manual] {
        lanes.push(lane(connection, id, &subject, steps, source.as_str(), Some(source))?);
    }
    lanes.push(people(connection, id, steps)?);
    Ok(Some(Timeline {
        from: steps.from,
        to: steps.to,
        step_s: u32::try_from(steps.step_s).unwrap_or(u32::MAX),
        lanes,
        onset: Some(subject.started_at),
        detected_at: Some(subject.detected_at),
    }))
}

fn subject(connection: &Connection, id: &str) -> Result<Option<Subject>, Fault> {
    let found = connection
        .prepare_cached(
            "SELECT environment, started_at, detected_at, recovered_at, coalesce(engine_updated_at, max(detected_at, started_at)) \
             FROM investigations WHERE id = ?",
        )?
        .query_row([id], |row| {
            let until = time_or_none(row, 3)?.unwrap_or(time(row, 4)?);
            Ok(Subject { environment: row.get(0)?, started_at: time(row, 1)?, detected_at: time(row, 2)?, until })
        });
    Ok(found.optional()?)
}

/// Steps are whole buckets, and begin at multiples of themselves, so that bars keep their place while the page scrolls.
fn steps(from: Timestamp, to: Timestamp, asked_s: Option<u32>) -> Result<Steps, Fault> {
    let seconds = to.seconds().saturating_sub(from.seconds()).max(1);
    if to <= from {
        return Err(bad_query("to", "the range ends before it begins").into());
    }
    if seconds > RANGE_LIMIT_S {
        return Err(bad_query("to", "the range is longer than a year").into());
    }
    let step_s = match asked_s.map(i64::from) {
        None => nice_step(seconds),
        Some(step) if step <= 0 || step % Bucket::SECONDS != 0 => {
            return Err(bad_query("step_s", format!("a multiple of {}", Bucket::SECONDS)).into());
        }
        Some(step) if seconds / step > STEPS_LIMIT => {
            return Err(bad_query("step_s", format!("more than {STEPS_LIMIT} steps over this range")).into());
        }
        Some(step) => step,
    };
    Ok(Steps { from, to, step_s })
}

/// The smallest round step that keeps the range within 240 of them.
fn nice_step(seconds: i64) -> i64 {
    const NICE: [i64; 14] = [15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 10_800, 21_600, 43_200, DAY_S];
    // One step more than fits, for the parts of steps at both ends.
    let least = seconds / (STEPS_MAX - 1) + 1;
    NICE.into_iter().find(|step| *step >= least).unwrap_or_else(|| (least + DAY_S - 1) / DAY_S * DAY_S)
}

fn lane(connection: &Connection, id: &str, subject: &Subject, steps: Steps, name: &str, source: Option<Source>) -> Result<Lane, Fault> {
    let events = event_bars(connection, subject, steps, source)?;
    let bars = match source {
        Some(source) if source.drives_watermark() => bucket_bars(connection, subject, steps, source)?,
        _ => events,
    };
    let (marks, marks_cut) = marks(connection, id, subject, steps, source)?;
    let total = bars.iter().map(|bar| bar.items).sum();
    Ok(Lane { lane: name.to_owned(), total, bars, marks, marks_cut })
}

/// Everything that source sent from the environment: folded items and those in events alike.
fn bucket_bars(connection: &Connection, subject: &Subject, steps: Steps, source: Source) -> Result<Vec<Bar>, Fault> {
    let mut statement = connection.prepare_cached(
        "SELECT bucket * ?1 / ?2 * ?2 AS at, sum(items), sum(failing) FROM bucket_totals WHERE environment = ?3 \
         AND bucket BETWEEN ?4 AND ?5 AND source = ?6 GROUP BY at ORDER BY at",
    )?;
    let environment = subject.environment.as_deref().unwrap_or_default();
    let (first, last) = (Bucket::of(steps.from).0, Bucket::of(steps.to.plus_nanos(-1)).0);
    let rows = statement.query_map(params![Bucket::SECONDS, steps.step_s, environment, first, last, source.as_str()], bar)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Events of a source, or of changes, a step.
fn event_bars(connection: &Connection, subject: &Subject, steps: Steps, source: Option<Source>) -> Result<Vec<Bar>, Fault> {
    if source.is_some_and(Source::drives_watermark) {
        return Ok(Vec::new());
    }
    let sql = format!(
        "SELECT e.seq / 1000000000 / ?1 * ?1 AS at, count(*), sum(d.severity >= 3) FROM event_dims d CROSS JOIN events e ON e.dim = d.dim \
         WHERE {} AND {ENVIRONMENT} AND e.seq BETWEEN ?3 AND ?4 GROUP BY at ORDER BY at",
        source_clause(source)
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let rows =
        statement.query_map(params![steps.step_s, subject.environment, steps.from.nanos(), steps.to.nanos().saturating_sub(1)], bar)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Of the investigation's environment, or of none: a commit knows no environment. `?2` is the environment.
const ENVIRONMENT: &str = "(?2 IS NULL OR d.environment = ?2 OR d.environment = '')";

fn source_clause(source: Option<Source>) -> String {
    match source {
        Some(source) => format!("d.source = '{}'", source.as_str()),
        None => format!("d.event_type IN ({CHANGE_TYPES})"),
    }
}

fn bar(row: &rusqlite::Row<'_>) -> rusqlite::Result<Bar> {
    Ok(Bar { at: Timestamp::from_seconds(row.get(0)?), items: row.get(1)?, failing: row.get(2)? })
}

/// Single events: the linked ones first, then the most severe, when there are too many.
fn marks(connection: &Connection, id: &str, subject: &Subject, steps: Steps, source: Option<Source>) -> Result<(Vec<Mark>, bool), Fault> {
    let mut marks = linked_marks(connection, id, steps, source)?;
    marks.extend(other_marks(connection, id, subject, steps, source)?);
    let cut = marks.len() > MARKS_LIMIT;
    marks.truncate(MARKS_LIMIT);
    marks.sort_by(|a, b| a.at.cmp(&b.at).then_with(|| a.event_id.cmp(&b.event_id)));
    Ok((marks, cut))
}

const MARK_COLUMNS: &str = "e.id, e.timestamp, e.last_seen, d.severity, d.source, d.event_type, e.title, d.service, e.observed_at, e.seq";

fn linked_marks(connection: &Connection, id: &str, steps: Steps, source: Option<Source>) -> Result<Vec<Mark>, Fault> {
    let sql = format!(
        "SELECT {MARK_COLUMNS} FROM event_links l CROSS JOIN events e ON e.id = l.event_id JOIN event_dims d ON d.dim = e.dim \
         WHERE l.investigation_id = ?1 AND {} AND e.seq BETWEEN ?2 AND ?3 ORDER BY d.severity DESC, e.seq, e.id LIMIT ?4",
        source_clause(source)
    );
    let values = params![id, steps.from.nanos(), steps.to.nanos().saturating_sub(1), MARKS_LIMIT as i64 + 1];
    let mut statement = connection.prepare_cached(&sql)?;
    let rows = statement.query_map(values, |row| mark(row, true))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn other_marks(connection: &Connection, id: &str, subject: &Subject, steps: Steps, source: Option<Source>) -> Result<Vec<Mark>, Fault> {
    let sql = format!(
        "SELECT {MARK_COLUMNS} FROM event_dims d CROSS JOIN events e ON e.dim = d.dim \
         WHERE {} AND d.severity = ?1 AND {ENVIRONMENT} AND e.seq BETWEEN ?3 AND ?4 \
         AND NOT EXISTS (SELECT 1 FROM event_links l WHERE l.investigation_id = ?5 AND l.event_id = e.id) ORDER BY e.seq LIMIT ?6",
        source_clause(source)
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let mut marks: Vec<Mark> = Vec::new();
    for severity in (0..=4_u8).rev() {
        let room = (MARKS_LIMIT + 1).saturating_sub(marks.len());
        if room == 0 {
            break;
        }
        let values = params![severity, subject.environment, steps.from.nanos(), steps.to.nanos().saturating_sub(1), id, room as i64];
        for row in statement.query_map(values, |row| mark(row, false))? {
            marks.push(row?);
        }
    }
    Ok(marks)
}

fn mark(row: &rusqlite::Row<'_>, linked: bool) -> rusqlite::Result<Mark> {
    let (at, last_seen) = (time(row, 1)?, time(row, 2)?);
    let service: String = row.get(7)?;
    Ok(Mark {
        event_id: Some(row.get(0)?),
        at,
        until: (last_seen > at).then_some(last_seen),
        seen_at: time(row, 8)?,
        severity: dims::severity(row.get(3)?),
        source: Some(dims::source(row.get_ref(4)?.as_str()?)),
        event_type: row.get(5)?,
        title: row.get(6)?,
        service: Some(service).filter(|service| !service.is_empty()),
        linked,
    })
}

fn people(connection: &Connection, id: &str, steps: Steps) -> Result<Lane, Fault> {
    let inside = |at: Timestamp| at >= steps.from && at < steps.to;
    let mark = |at: Timestamp, seen_at: Timestamp, event_type: &str, title: String, event_id: Option<String>| Mark {
        event_id,
        at,
        until: None,
        seen_at,
        severity: Severity::Info,
        source: None,
        event_type: event_type.to_owned(),
        title,
        service: None,
        linked: true,
    };
    let said = |text: &str| truncate(text.lines().next().unwrap_or_default(), 200);
    let mut marks: Vec<Mark> = notes(connection, id)?
        .into_iter()
        .map(|note| {
            let title = format!("{}: {}", note.author, said(&note.body));
            mark(note.at.unwrap_or(note.created_at), note.created_at, "note", title, note.event_id)
        })
        .collect();
    // Notes stand at the time they are about; the line of activity of their writing would say them twice.
    let deeds = activity(connection, id)?.into_iter().filter(|deed| !deed.what.starts_with("note"));
    marks.extend(deeds.map(|deed| mark(deed.at, deed.at, &deed.what, format!("{} {} {}", deed.who, deed.what, said(&deed.detail)), None)));
    marks.retain(|mark| inside(mark.at));
    marks.sort_by_key(|mark| mark.at);
    let total = marks.len() as u64;
    let marks_cut = marks.len() > MARKS_LIMIT;
    marks.truncate(MARKS_LIMIT);
    Ok(Lane { lane: "people".into(), total, bars: Vec::new(), marks, marks_cut })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    #[test]
    fn every_range_is_cut_into_at_most_240_round_steps() {
        for seconds in [1, 3_585, 3_586, 7_200, 40_000, 86_400, 604_800, 31_000_000] {
            let step = nice_step(seconds);
            assert!(step % Bucket::SECONDS == 0 && seconds / step + 2 <= STEPS_MAX + 1, "{seconds} s: {step}");
        }
        assert_eq!(nice_step(3_000), 15);
    }

    #[test]
    fn an_impossible_range_is_refused_with_its_field() {
        let at = Timestamp::from_seconds;
        assert!(steps(at(10), at(10), None).is_err());
        assert!(steps(Timestamp::MIN, Timestamp::from_nanos(i64::MAX), None).is_err());
        assert!(steps(at(0), at(3_600), Some(20)).is_err());
        assert!(steps(at(0), at(360_000), Some(15)).is_err());
        assert_eq!(steps(at(0), at(3_600), Some(30)).unwrap().step_s, 30);
    }
}
