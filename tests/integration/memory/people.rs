//! What people do: every step of an investigation's life, and every refusal.

use whydunit::model::command::{Action, Command, CommandError, CommandOutcome, InvestigationPatch, LetterSelection, NewInvestigation};
use whydunit::model::dead_letter::LetterStatus;
use whydunit::model::investigation::{CloseReason, Investigation, Note, Priority, Status};
use whydunit::model::ports::{StoreReader, StoreWriter, WriteBatch};
use whydunit::model::query::InvestigationQuery;
use whydunit::model::suspect::Verdict;
use whydunit::model::{Event, Severity, Source, Timestamp};
use whydunit::store::{SqliteReader, SqliteWriter, open_reader, open_writer};

use super::Database;
use super::things::{at, event, findings, letter};

struct Desk {
    _database: Database,
    writer: SqliteWriter,
    reader: SqliteReader,
}

impl Desk {
    /// A database with one investigation of the engine's, an event and a dead letter.
    fn new() -> Self {
        let database = Database::new();
        let mut writer = open_writer(&database.options()).unwrap();
        let batch = WriteBatch {
            events: vec![event("a", 10), event("b", 20)],
            findings: vec![findings("inv-1", 1)],
            letters: vec![letter(5)],
            ..WriteBatch::default()
        };
        writer.write(&batch, at(0)).unwrap();
        let reader = open_reader(&database.options()).unwrap();
        Self { _database: database, writer, reader }
    }

    fn ask(&mut self, action: Action, expected_version: Option<u64>) -> Result<CommandOutcome, CommandError> {
        self.writer.execute(&Command { who: "ada".into(), idempotency_key: None, expected_version, action }, at(1_000))
    }

    fn patch(&mut self, patch: InvestigationPatch) -> Result<Investigation, CommandError> {
        match self.ask(Action::PatchInvestigation { id: "inv-1".into(), patch: Box::new(patch) }, None)? {
            CommandOutcome::Investigation(investigation) => Ok(*investigation),
            other => panic!("{other:?}"),
        }
    }

    fn status(&mut self, status: Status) -> Result<Investigation, CommandError> {
        self.patch(InvestigationPatch { status: Some(status), ..InvestigationPatch::default() })
    }

    fn close(&mut self, ids: &[&str]) -> Result<CommandOutcome, CommandError> {
        let ids = ids.iter().map(|id| (*id).to_owned()).collect();
        self.ask(Action::CloseInvestigations { ids, reason: CloseReason::FalseAlarm, comment: None, mute_until: None }, None)
    }

    fn reopen(&mut self) -> Result<CommandOutcome, CommandError> {
        self.ask(Action::ReopenInvestigation { id: "inv-1".into(), reason: "it is back".into() }, None)
    }

    fn investigation(&self) -> Investigation {
        self.reader.investigation("inv-1").unwrap().unwrap()
    }

    /// Brings the investigation from open to this status by allowed steps.
    fn bring_to(&mut self, status: Status) {
        match status {
            Status::Open => {}
            Status::InProgress => drop(self.status(Status::InProgress).unwrap()),
            Status::Resolved | Status::Closed => {
                let root_cause = Some("a pool of 8".to_owned());
                self.patch(InvestigationPatch { status: Some(Status::Resolved), root_cause, ..InvestigationPatch::default() }).unwrap();
                if status == Status::Closed {
                    self.status(Status::Closed).unwrap();
                }
            }
        }
        assert_eq!(self.investigation().status, status);
    }
}

fn field_of(error: CommandError) -> String {
    match error {
        CommandError::Invalid { fields } => fields[0].0.clone(),
        other => panic!("{other}"),
    }
}

#[test]
fn every_step_between_two_statuses_is_taken_or_refused_as_written() {
    for from in Status::ALL {
        for to in Status::ALL {
            let mut desk = Desk::new();
            desk.bring_to(from);
            let before = desk.investigation();
            let result = if to == Status::Open && from != Status::Open {
                desk.reopen().map(drop)
            } else {
                let root_cause = (to == Status::Resolved).then(|| "a pool of 8".to_owned());
                desk.patch(InvestigationPatch { status: Some(to), root_cause, ..InvestigationPatch::default() }).map(drop)
            };
            let after = desk.investigation();
            if from == to || from.may_become(to) {
                result.unwrap();
                assert_eq!(after.status, to, "{from:?} → {to:?}");
                assert_eq!(after.version, before.version + 1);
                assert_eq!(after.resolved_at.is_some(), matches!(to, Status::Resolved | Status::Closed));
                assert_eq!(after.closed_at.is_some(), to == Status::Closed);
            } else {
                assert!(matches!(result, Err(CommandError::Conflict { .. })), "{from:?} → {to:?}");
                assert_eq!(after, before, "a refusal changes nothing");
            }
        }
    }
}

#[test]
fn resolving_needs_a_root_cause_and_reopening_a_reason() {
    let mut desk = Desk::new();
    assert_eq!(field_of(desk.status(Status::Resolved).unwrap_err()), "root_cause");
    desk.patch(InvestigationPatch { root_cause: Some("pool".into()), ..InvestigationPatch::default() }).unwrap();
    desk.status(Status::Resolved).unwrap();
    assert_eq!(field_of(desk.status(Status::Open).unwrap_err()), "status");
    let emptied = InvestigationPatch { root_cause: Some(" ".into()), ..InvestigationPatch::default() };
    assert_eq!(field_of(desk.patch(emptied).unwrap_err()), "root_cause");
    let blank = Action::ReopenInvestigation { id: "inv-1".into(), reason: "  ".into() };
    assert_eq!(field_of(desk.ask(blank, None).unwrap_err()), "reason");
}

#[test]
fn a_stale_write_is_refused_and_changes_nothing() {
    let mut desk = Desk::new();
    let patch = |title: &str| Action::PatchInvestigation {
        id: "inv-1".into(),
        patch: Box::new(InvestigationPatch { title: Some(title.into()), ..InvestigationPatch::default() }),
    };
    desk.ask(patch("first"), Some(1)).unwrap();
    assert_eq!(desk.ask(patch("second"), Some(1)).unwrap_err(), CommandError::Stale { expected: 1, actual: 2 });
    assert_eq!(desk.investigation().title, "first");
    desk.ask(patch("second"), Some(2)).unwrap();
}

#[test]
fn neither_side_overwrites_the_other() {
    let mut desk = Desk::new();
    assert_eq!(desk.investigation().priority, Priority::P1);
    desk.patch(InvestigationPatch {
        title: Some("checkout burns".into()),
        priority: Some(Priority::P0),
        assigned_to: Some("bob".into()),
        ..InvestigationPatch::default()
    })
    .unwrap();
    let worse = whydunit::model::investigation::EngineFindings {
        impact_severity: Severity::Critical,
        headline: "a new sentence".into(),
        ..findings("inv-1", 2)
    };
    desk.writer.write(&WriteBatch { findings: vec![worse], ..WriteBatch::default() }, at(2_000)).unwrap();
    let after = desk.investigation();
    assert_eq!((after.title.as_str(), after.priority, after.assigned_to.as_deref()), ("checkout burns", Priority::P0, Some("bob")));
    assert_eq!((after.impact_severity, after.revision, after.version), (Severity::Critical, 2, 2));
    assert_eq!(after.findings.unwrap().headline, "a new sentence");
    desk.patch(InvestigationPatch { assigned_to: Some(String::new()), ..InvestigationPatch::default() }).unwrap();
    assert_eq!(desk.investigation().assigned_to, None);
}

#[test]
fn a_verdict_outlives_the_next_ranking() {
    let mut desk = Desk::new();
    let verdict = |suspect_id: &str, verdict: Verdict| Action::SetVerdict {
        id: "inv-1".into(),
        suspect_id: suspect_id.into(),
        verdict,
        comment: Some("seen it".into()),
    };
    desk.ask(verdict("service:payment", Verdict::Confirmed), None).unwrap();
    assert!(matches!(desk.ask(verdict("service:nobody", Verdict::Refuted), None), Err(CommandError::NotFound { what: "suspect", .. })));
    desk.writer.write(&WriteBatch { findings: vec![findings("inv-1", 2)], ..WriteBatch::default() }, at(2_000)).unwrap();
    let suspects = desk.investigation().findings.unwrap().suspects;
    assert_eq!((suspects[0].verdict, suspects[0].verdict_by.as_deref()), (Verdict::Confirmed, Some("ada")));
    assert_eq!(suspects[1].verdict, Verdict::Suspect);
    desk.ask(verdict("service:payment", Verdict::Suspect), None).unwrap();
    assert_eq!(desk.investigation().findings.unwrap().suspects[0].verdict, Verdict::Suspect);
}

#[test]
fn closing_many_closes_all_or_none() {
    let mut desk = Desk::new();
    desk.writer.write(&WriteBatch { findings: vec![findings("inv-2", 1)], ..WriteBatch::default() }, at(0)).unwrap();
    let missing = desk.close(&["inv-1", "nothing"]).unwrap_err();
    assert!(matches!(missing, CommandError::NotFound { .. }));
    assert_eq!(desk.investigation().status, Status::Open);
    assert_eq!(desk.close(&["inv-2", "inv-1", "inv-1"]).unwrap(), CommandOutcome::Closed { ids: vec!["inv-1".into(), "inv-2".into()] });
    let closed = desk.investigation();
    assert_eq!((closed.status, closed.close_reason), (Status::Closed, Some(CloseReason::FalseAlarm)));
    assert!(matches!(desk.close(&["inv-1"]), Err(CommandError::Conflict { .. })));
    assert_eq!(field_of(desk.close(&[]).unwrap_err()), "ids");
    assert_eq!(desk.reader.analytics(Default::default()).unwrap().false_alarms, 2);
    desk.reopen().unwrap();
    assert_eq!(desk.investigation().close_reason, None);
}

#[test]
fn a_repeated_request_has_one_effect_for_a_day() {
    let mut desk = Desk::new();
    let command = |n: u32, title: &str| Command {
        who: "ada".into(),
        idempotency_key: Some("key-1".into()),
        expected_version: None,
        action: Action::CreateInvestigation {
            id: format!("id-{n}"),
            new: Box::new(NewInvestigation { title: title.into(), ..NewInvestigation::default() }),
        },
    };
    let title = "told by phone";
    let mut ask = |n: u32, title: &str, hour: i64| desk.writer.execute(&command(n, title), at(hour * 3_600));
    let first = ask(1, title, 0).unwrap();
    assert_eq!(ask(2, title, 23).unwrap(), first);
    assert!(matches!(ask(3, "another", 23), Err(CommandError::Conflict { .. })));
    assert_ne!(ask(4, title, 25).unwrap(), first);
    let listed = desk.reader.investigations(&InvestigationQuery { text: Some("phone".into()), ..InvestigationQuery::default() }).unwrap();
    assert_eq!(listed.total, 2);
    assert_eq!(listed.items[0].impact_severity, Severity::Medium, "where none was given");
    let milder = InvestigationPatch { impact_severity: Some(Severity::Info), ..InvestigationPatch::default() };
    assert_eq!(field_of(desk.patch(milder).unwrap_err()), "impact_severity");
}

#[test]
fn what_the_pipeline_must_know_lies_in_the_inbox() {
    let mut desk = Desk::new();
    let manual = Event::new("manual-1".into(), at(5), Source::Manual, "note", Severity::Low, "failover by hand");
    let outcome = desk.ask(Action::CreateEvent { event: Box::new(manual.clone()) }, None).unwrap();
    assert_eq!(outcome, CommandOutcome::Event(Box::new(manual)));
    assert_eq!(desk.reader.event("manual-1").unwrap(), None, "it comes back through the pipeline");
    desk.patch(InvestigationPatch { title: Some("mine".into()), ..InvestigationPatch::default() }).unwrap();
    let begun = InvestigationPatch { status: Some(Status::InProgress), ..InvestigationPatch::default() };
    desk.patch(begun).unwrap();
    desk.close(&["inv-1"]).unwrap();
    desk.reopen().unwrap();
    let refused = Event::new("manual-2".into(), at(5), Source::Manual, "note", Severity::Low, "");
    assert_eq!(field_of(desk.ask(Action::CreateEvent { event: Box::new(refused) }, None).unwrap_err()), "title");
    let rows = desk.reader.inbox(0, 100).unwrap();
    let kinds: Vec<&str> = rows
        .iter()
        .map(|row| match row.command.action {
            Action::CreateEvent { .. } => "event",
            Action::PatchInvestigation { .. } => "status",
            Action::CloseInvestigations { .. } => "close",
            Action::ReopenInvestigation { .. } => "reopen",
            _ => "other",
        })
        .collect();
    assert_eq!(kinds, ["event", "status", "close", "reopen"]);
    assert_eq!(rows.iter().map(|row| row.id).collect::<Vec<_>>(), [1, 2, 3, 4]);
    assert_eq!(desk.reader.inbox(2, 1).unwrap(), rows[1..2]);
}

#[test]
fn notes_are_written_edited_answered_and_removed() {
    let mut desk = Desk::new();
    let note = |id: &str, parent: Option<&str>, body: &str| Note {
        id: id.into(),
        investigation_id: "inv-1".into(),
        author: "ada".into(),
        body: body.into(),
        event_id: Some("a".into()),
        at: Some(at(10)),
        parent_id: parent.map(str::to_owned),
        created_at: Timestamp::EPOCH,
        updated_at: Timestamp::EPOCH,
        version: 0,
    };
    let add = |note: Note| Action::AddNote { note: Box::new(note) };
    desk.ask(add(note("n-1", None, "first")), None).unwrap();
    desk.ask(add(note("n-2", Some("n-1"), "answer")), None).unwrap();
    assert_eq!(field_of(desk.ask(add(note("n-3", Some("n-9"), "lost")), None).unwrap_err()), "parent_id");
    assert_eq!(field_of(desk.ask(add(note("n-3", None, &"x".repeat(20_001))), None).unwrap_err()), "body");
    let edit = || Action::EditNote { investigation_id: "inv-1".into(), note_id: "n-1".into(), body: "better".into() };
    desk.ask(edit(), Some(1)).unwrap();
    assert_eq!(desk.ask(edit(), Some(1)).unwrap_err(), CommandError::Stale { expected: 1, actual: 2 });
    desk.ask(Action::DeleteNote { investigation_id: "inv-1".into(), note_id: "n-2".into() }, None).unwrap();
    let notes = desk.reader.notes("inv-1").unwrap();
    assert_eq!((notes.len(), notes[0].body.as_str(), notes[0].version), (1, "better", 2));
    let investigation = desk.investigation();
    assert_eq!((investigation.note_count, investigation.version), (1, 1), "notes have versions of their own");
    let deeds: Vec<String> = desk.reader.activity("inv-1").unwrap().into_iter().map(|deed| deed.what).collect();
    assert_eq!(deeds, ["opened", "note", "note", "note_edited", "note_deleted"]);
}

#[test]
fn an_event_is_linked_by_hand_and_stays_so() {
    let mut desk = Desk::new();
    let link = |event: &str| Action::LinkEvent { id: "inv-1".into(), event_id: event.into(), reason: "same host".into() };
    desk.ask(link("b"), None).unwrap();
    assert!(matches!(desk.ask(link("nothing"), None), Err(CommandError::NotFound { what: "event", .. })));
    assert_eq!(desk.investigation().event_count, 2);
    assert_eq!(desk.reader.event("b").unwrap().unwrap().investigation_ids, ["inv-1"]);
}

#[test]
fn a_dead_letter_is_discarded_once() {
    let mut desk = Desk::new();
    let discard = || Action::DiscardDeadLetters { select: LetterSelection::One(letter(5).id), reason: "known noise".into() };
    desk.ask(discard(), None).unwrap();
    assert!(matches!(desk.ask(discard(), None), Err(CommandError::Conflict { .. })));
    assert_eq!(desk.reader.dead_letter(&letter(5).id).unwrap().unwrap().status, LetterStatus::Discarded);
    assert_eq!(desk.reader.dead_letter_groups().unwrap()[0].waiting, 0);
}

#[test]
fn investigations_are_filtered_and_counted() {
    let mut desk = Desk::new();
    let others = (2..30).map(|n| whydunit::model::investigation::EngineFindings {
        impact_severity: if n % 2 == 0 { Severity::Critical } else { Severity::Medium },
        started_at: at(n * 100),
        ..findings(&format!("inv-{n}"), 1)
    });
    desk.writer.write(&WriteBatch { findings: others.collect(), ..WriteBatch::default() }, at(0)).unwrap();
    desk.patch(InvestigationPatch { tags: Some(["pool".to_owned()].into()), ..InvestigationPatch::default() }).unwrap();
    let query = InvestigationQuery { severity: vec![Severity::Critical], ..InvestigationQuery::default() };
    assert_eq!(desk.reader.investigations(&query).unwrap().total, 14);
    let facets = desk.reader.investigation_facets(&query).unwrap();
    let of = |name: &str| facets.iter().find(|facet| facet.field == name).unwrap().values.clone();
    assert_eq!(of("severity").iter().map(|value| value.count).collect::<Vec<_>>(), [14, 14, 1], "without its own filter");
    assert_eq!(of("priority").iter().map(|value| value.value.as_str()).collect::<Vec<_>>(), ["p0"]);
    let tagged = InvestigationQuery { tag: vec!["pool".into()], ..InvestigationQuery::default() };
    assert_eq!(desk.reader.investigations(&tagged).unwrap().items[0].id, "inv-1");
    for sort in ["started_at", "updated_at", "impact_severity", "priority", "confidence", "title", "status"] {
        let mut query = InvestigationQuery::default();
        (query.paging.sort, query.paging.per_page) = (sort.into(), 7);
        let mut seen = Vec::new();
        loop {
            let page = desk.reader.investigations(&query).unwrap();
            seen.extend(page.items.into_iter().map(|item| item.id));
            query.paging.cursor = page.next_cursor;
            if query.paging.cursor.is_none() {
                break;
            }
        }
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len(), 29, "by {sort}");
    }
}
