//! Dead letters that people decide on: how far a replay is, and the way back from a discard.

use whydunit::model::command::{Action, Command, CommandError, CommandOutcome, LetterSelection};
use whydunit::model::dead_letter::{DeadLetter, DeadLetterView, LetterFailure, LetterStatus, RejectionClass, ReplayOutcome, ReplayRun};
use whydunit::model::ledger::{LedgerRow, LedgerSums};
use whydunit::model::ports::{StoreReader, StoreWriter, WriteBatch};
use whydunit::model::query::DeadLetterQuery;
use whydunit::model::snapshot::Checkpoint;
use whydunit::store::{SqliteReader, SqliteWriter, open_reader, open_writer};

use super::Database;
use super::things::{at, letter};

struct Desk {
    _database: Database,
    writer: SqliteWriter,
    reader: SqliteReader,
}

impl Desk {
    /// A database with so many letters of one group.
    fn new(letters: i64) -> Self {
        let database = Database::new();
        let mut writer = open_writer(&database.options()).unwrap();
        writer.write(&WriteBatch { letters: (0..letters).map(letter).collect(), ..WriteBatch::default() }, at(0)).unwrap();
        let reader = open_reader(&database.options()).unwrap();
        Self { _database: database, writer, reader }
    }

    fn ask(&mut self, action: Action) -> Result<u64, CommandError> {
        let command = Command { who: "ada".into(), idempotency_key: None, expected_version: None, action };
        match self.writer.execute(&command, at(1_000))? {
            CommandOutcome::Letters { count } => Ok(count),
            other => panic!("{other:?}"),
        }
    }

    fn replay(&mut self, select: LetterSelection, edited: Option<&[u8]>) -> u64 {
        self.ask(Action::ReplayDeadLetters { select, edited: edited.map(<[u8]>::to_vec) }).unwrap()
    }

    /// The next `letters` replays come to an end, `failing` of them by failing again.
    fn decoded(&mut self, letters: usize, failing: usize) {
        let done = self
            .reader
            .replays(0, 1_000)
            .unwrap()
            .into_iter()
            .filter(|replay| self.letter(&replay.letter.id).status == LetterStatus::Replaying);
        let failure = LetterFailure {
            class: RejectionClass::Malformed,
            message: "still not JSON".into(),
            format: "json".into(),
            fingerprint: "f2".into(),
            bad_items: Vec::new(),
        };
        let outcome = |(index, replay): (usize, whydunit::model::dead_letter::Replay)| ReplayOutcome {
            replay: replay.id,
            letter_id: replay.letter.id,
            at: at(2_000),
            items_read: u64::from(index >= failing) * 3,
            failure: (index < failing).then(|| failure.clone()),
        };
        let replays = done.take(letters).enumerate().map(outcome).collect();
        self.writer.write(&WriteBatch { replays, ..WriteBatch::default() }, at(2_000)).unwrap();
    }

    fn letter(&self, id: &str) -> DeadLetterView {
        self.reader.dead_letter(id).unwrap().unwrap()
    }

    fn newest_run(&self) -> ReplayRun {
        self.reader.replay_runs().unwrap().remove(0)
    }
}

fn group() -> LetterSelection {
    LetterSelection::Group("f1".into())
}

#[test]
fn a_replay_says_how_far_it_is_and_what_came_of_it() {
    let mut desk = Desk::new(10);
    assert!(desk.reader.replay_runs().unwrap().is_empty());
    assert_eq!(desk.replay(group(), None), 10);
    let run = desk.newest_run();
    assert_eq!((run.who.as_str(), run.at, run.fingerprint.as_deref(), run.edited), ("ada", at(1_000), Some("f1"), false));
    assert_eq!((run.letters, run.left, run.replayed, run.failed), (10, 10, 0, 0));
    desk.decoded(4, 1);
    let run = desk.newest_run();
    assert_eq!((run.letters, run.left, run.replayed, run.failed), (10, 6, 3, 1));
    desk.decoded(6, 0);
    let run = desk.newest_run();
    assert_eq!((run.letters, run.left, run.replayed, run.failed), (10, 0, 9, 1));
}

#[test]
fn replays_of_other_letters_do_not_move_a_run_and_the_newest_stands_first() {
    let mut desk = Desk::new(3);
    let first = letter(0).id;
    assert_eq!(desk.replay(LetterSelection::One(first.clone()), Some(b"{}")), 1);
    assert_eq!(desk.replay(LetterSelection::All, None), 2, "what is being replayed does not wait");
    desk.decoded(1, 0);
    let runs = desk.reader.replay_runs().unwrap();
    assert_eq!(runs.iter().map(|run| (run.letters, run.left, run.edited)).collect::<Vec<_>>(), [(2, 2, false), (1, 0, true)]);
    assert_eq!((runs[1].letter_id.as_deref(), desk.letter(&first).items_read), (Some(first.as_str()), 3));
    assert_eq!(desk.ask(Action::ReplayDeadLetters { select: group(), edited: None }), Ok(0), "nothing waits");
    assert_eq!(desk.reader.replay_runs().unwrap().len(), 2, "a decision that takes nothing is no run");
}

#[test]
fn what_was_discarded_keeps_its_reason_and_can_be_put_back() {
    let mut desk = Desk::new(3);
    let id = letter(1).id;
    desk.ask(Action::DiscardDeadLetters { select: LetterSelection::One(id.clone()), reason: "known noise".into() }).unwrap();
    assert_eq!(desk.letter(&id).discard_reason.as_deref(), Some("known noise"));
    assert_eq!(desk.ask(Action::DiscardDeadLetters { select: group(), reason: "all of it".into() }), Ok(2));
    assert_eq!(desk.ask(Action::RestoreDeadLetters { select: LetterSelection::One(id.clone()) }), Ok(1));
    assert_eq!((desk.letter(&id).status, desk.letter(&id).discard_reason), (LetterStatus::Waiting, None));
    let again = desk.ask(Action::RestoreDeadLetters { select: LetterSelection::One(id) });
    assert!(
        matches!(&again, Err(CommandError::Conflict { reason }) if reason == "this dead letter is waiting, not discarded"),
        "{again:?}"
    );
    assert_eq!(desk.ask(Action::RestoreDeadLetters { select: group() }), Ok(2));
    assert_eq!(desk.reader.dead_letter_groups().unwrap()[0].waiting, 3);
}

#[test]
fn two_connectors_that_cannot_read_the_same_record_have_a_letter_each() {
    let database = Database::new();
    let mut writer = open_writer(&database.options()).unwrap();
    let of = |connector: &str| DeadLetter { connector: connector.into(), id: format!("{connector}/5"), ..letter(5) };
    let write = |writer: &mut SqliteWriter, letters: Vec<DeadLetter>| {
        let report = writer.write(&WriteBatch { letters, ..WriteBatch::default() }, at(0)).unwrap();
        (report.letters_stored, report.letters_seen_before)
    };
    assert_eq!(write(&mut writer, vec![of("logs"), of("audit")]), (2, 0));
    assert_eq!(write(&mut writer, vec![of("audit"), of("logs")]), (0, 2), "read again after a crash");
    let partition = letter(5).position.partition;
    let ledger = ["audit", "logs"].map(|connector| {
        let sums = LedgerSums { records_read: 1, records_rejected: 1, ..LedgerSums::default() };
        let partition = partition.clone();
        LedgerRow { connector: connector.into(), partition, first_offset: 5, next_offset: 6, topic_id: None, sums }
    });
    let checkpoint = Checkpoint { epoch: 1, ledger: ledger.to_vec(), ..Checkpoint::default() };
    writer.write(&WriteBatch { checkpoint: Some(checkpoint), ..WriteBatch::default() }, at(0)).unwrap();
    let verdict = whydunit::app::verify::database(&database.options()).unwrap();
    assert!(verdict.closes, "{:#?}", verdict.holes);
    let reader = open_reader(&database.options()).unwrap();
    assert_eq!(reader.dead_letters(&DeadLetterQuery::default()).unwrap().total, 2);
    assert!(reader.letter_bytes("audit").unwrap() > 0 && reader.letter_bytes("audit").unwrap() == reader.letter_bytes("logs").unwrap());
}

#[test]
fn verify_names_a_connector_whose_waiting_letters_do_not_weigh_what_is_kept_of_them() {
    let database = Database::new();
    let mut writer = open_writer(&database.options()).unwrap();
    writer.write(&WriteBatch { letters: vec![letter(5), letter(6)], ..WriteBatch::default() }, at(0)).unwrap();
    drop(writer);
    let holes = || {
        let verdict = whydunit::app::verify::database(&database.options()).unwrap();
        verdict.holes.into_iter().filter(|hole| hole.found.contains("bytes of waiting dead letters")).collect::<Vec<_>>()
    };
    assert_eq!(holes(), []);
    let edit = |sql: &str| rusqlite::Connection::open(database.options().path().unwrap()).unwrap().execute_batch(sql).unwrap();
    edit("UPDATE letter_bytes SET bytes = bytes + 7");
    assert_eq!(holes()[0].count, 7);
    edit("DELETE FROM letter_bytes");
    assert_eq!(holes().len(), 1);
}
