//! Copies: made while it runs, looked through, put back; old files brought up to date.

use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::Duration;

use rusqlite::Connection;
use whydunit::app::verify;
use whydunit::model::ports::{StoreError, StoreReader as _, StoreWriter as _, WriteBatch};
use whydunit::model::signal::DetectedEvent;
use whydunit::model::{Bucket, Timestamp};
use whydunit::store::{Options, open_reader, open_writer};

use super::good::Copy;
use crate::support::kafka::KafkaServer;
use crate::support::process::{Home, assert_same_export};
use crate::support::shop::{read_to_the_end, settings, write_shop};

pub const PATIENCE: Duration = Duration::from_secs(120);

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn backup(home: &Home, to: &Path) -> Output {
    home.command("backup").arg(to).output().unwrap()
}

fn restore(home: &Home, from: &Path) -> Output {
    home.command("restore").arg(from).output().unwrap()
}

/// Files beside the database whose names have this in them.
fn beside(home: &Home, part: &str) -> Vec<PathBuf> {
    let files = std::fs::read_dir(home.database().parent().unwrap()).unwrap().map(|entry| entry.unwrap().path());
    files.filter(|path| path.file_name().unwrap().to_string_lossy().contains(part)).collect()
}

#[test]
fn a_backup_of_a_running_whydunit_is_restored_after_damage_and_the_run_goes_on_to_the_same_end() {
    let server = KafkaServer::shared();
    // All of it is there from the start: what is found then does not depend on how fast this machine reads.
    write_shop(server, "backedup");
    let home = Home::new(&settings(server, "backedup", ""));
    let copy = home.database().with_file_name("copy.db");
    let run = home.run();
    run.wait_until("something is booked", PATIENCE, |_| booked(&home) > 0);
    let made = backup(&home, &copy);
    assert!(made.status.success() && copy.exists(), "{}", said(&made));
    let of_the_copy = verify::database(&Options::file(&copy)).unwrap();
    assert!(of_the_copy.closes && of_the_copy.records_read > 0, "{:#?}", of_the_copy.holes);
    let again = backup(&home, &copy);
    assert!(!again.status.success() && said(&again).contains("is there already"), "{}", said(&again));
    let running = restore(&home, &copy);
    assert!(!running.status.success() && said(&running).contains("another process has"), "{}", said(&running));
    run.wait_until("all is read", PATIENCE, read_to_the_end);
    run.terminate();
    let whole = home.export();

    damage(home.database());
    let refused = home.command("run").output().unwrap();
    assert!(!refused.status.success() && said(&refused).contains("whydunit restore"), "{}", said(&refused));
    let restored = restore(&home, &copy);
    assert!(restored.status.success() && said(&restored).contains("before-restore"), "{}", said(&restored));
    assert!(!beside(&home, "before-restore").is_empty(), "the damaged file is kept");
    let run = home.run();
    run.wait_until("the rest is read again", PATIENCE, read_to_the_end);
    run.terminate();
    assert_same_export(&whole, &home.export());
    let verdict = verify::database(&Options::file(home.database())).unwrap();
    assert!(verdict.closes, "{:#?}", verdict.holes);
    println!("{} records in the copy, {} at the end", of_the_copy.records_read, verdict.records_read);
}

/// Records that a checkpoint has booked.
fn booked(home: &Home) -> u64 {
    verify::database(&Options::file(home.database())).map_or(0, |verdict| verdict.records_read)
}

/// Overwrites pages in the middle of the file.
fn damage(path: &Path) {
    use std::os::unix::fs::FileExt as _;
    let file = std::fs::OpenOptions::new().write(true).open(path).unwrap();
    let pages = file.metadata().unwrap().len() / 4_096;
    for page in (2..pages).step_by(7) {
        file.write_all_at(&[0xa5; 4_096], page * 4_096).unwrap();
    }
}

#[test]
fn a_backup_that_is_damaged_foreign_or_newer_is_refused_and_nothing_is_changed() {
    let good = Copy::new();
    let home = Home::new("");
    std::fs::copy(good.path(), home.database()).unwrap();
    let before = std::fs::read(home.database()).unwrap();
    let file = |name: &str| good.folder.path().join(name);
    let cases = [
        ("damaged.db", "damaged"),
        ("newer.db", "schema version 99"),
        ("foreign.db", "not made by whydunit"),
        ("not-there.db", "there is no backup"),
    ];
    std::fs::copy(good.path(), file("damaged.db")).unwrap();
    damage(&file("damaged.db"));
    std::fs::copy(good.path(), file("newer.db")).unwrap();
    Connection::open(file("newer.db")).unwrap().pragma_update(None, "user_version", 99).unwrap();
    Connection::open(file("foreign.db")).unwrap().execute_batch("CREATE TABLE theirs (x)").unwrap();
    for (name, word) in cases {
        let refused = restore(&home, &file(name));
        assert!(!refused.status.success() && said(&refused).contains(word), "{name}: {}", said(&refused));
        assert!(std::fs::read(home.database()).unwrap() == before, "{name}: the database was changed");
        assert!(beside(&home, "restoring").is_empty() && beside(&home, "before-restore").is_empty(), "{name}: something is left over");
    }
}

#[test]
fn a_backup_goes_on_to_its_end_although_another_writes_between_any_two_of_its_steps() {
    let copy = Copy::new();
    let mut writer = open_writer(&copy.options()).unwrap();
    let target = copy.folder.path().join("copy.db");
    let events =
        |path: &Path| Connection::open(path).unwrap().query_row("SELECT count(*) FROM events", [], |row| row.get::<_, u64>(0)).unwrap();
    let before = events(&copy.path());
    let mut told = Vec::new();
    whydunit::store::backup(&copy.options(), &target, &mut |done, total| {
        told.push((done, total));
        assert!(told.len() < 1_000, "it begins anew each time: {:?}", &told[..5]);
        let event = crate::memory::things::random_event(3, told.len() as u64);
        let detected = vec![DetectedEvent { bucket: Bucket::of(event.timestamp), event }];
        writer.write(&WriteBatch { detected, ..WriteBatch::default() }, super::good::at(0)).unwrap();
    })
    .unwrap();
    assert!(!told.is_empty() && told.windows(2).all(|pair| pair[0].0 < pair[1].0), "{told:?}");
    assert_eq!(events(&copy.path()), before + told.len() as u64);
    assert_eq!(events(&target), before, "the copy is of the moment at which it was begun");
    assert!(verify::database(&Options::file(&target)).unwrap().closes);
}

/// A kept database of an old schema and its export, as the version that made it wrote it. `tests/fixtures/README.md` says how.
fn kept(name: &str) -> (tempfile::TempDir, Options, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("whydunit.db");
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let unpack = |file: &str| zstd::decode_all(std::fs::File::open(fixtures.join(file)).unwrap()).unwrap();
    std::fs::write(&path, unpack(&format!("{name}.db.zst"))).unwrap();
    let export = if name == "schema-9" { "export-9.zst" } else { "export.zst" };
    let export = String::from_utf8(unpack(export)).unwrap();
    (folder, Options::file(path), export)
}

/// Schema 1 kept none.
fn without_topic_ids(export: &str) -> String {
    let line = |line: &str| {
        let mut value: serde_json::Value = serde_json::from_str(line).unwrap();
        if value["kind"] == "ledger" {
            value["value"]["topic_id"] = serde_json::Value::Null;
        }
        format!("{value}\n")
    };
    export.lines().map(line).collect()
}

#[test]
fn kept_databases_of_old_schemas_are_copied_brought_up_to_date_and_say_what_they_said() {
    for (name, version) in [("schema-1", 1), ("schema-4", 4), ("schema-9", 9)] {
        let (folder, options, export) = kept(name);
        let export = if version < 4 { without_topic_ids(&export) } else { export };
        let old = std::fs::read(options.path().unwrap()).unwrap();
        // Whoever only reads refuses, and names both versions.
        let refused = open_reader(&options).unwrap_err().to_string();
        assert!(refused.contains(&format!("schema version {version}")) && refused.contains("whydunit run"), "{refused}");
        assert!(std::fs::read(options.path().unwrap()).unwrap() == old, "{name}: reading changed it");

        let mut writer = open_writer(&options).unwrap();
        // What the stages had learned is of an older kind: it is left as it is until somebody says that it may go.
        let refused = writer.load_snapshot().unwrap_err().to_string();
        assert!(refused.contains("--forget-state"), "{name}: {refused}");
        drop(writer);
        let copy = folder.path().join(format!("whydunit.db.schema-{version}"));
        let found: i64 = Connection::open(&copy).unwrap().query_row("PRAGMA user_version", [], |row| row.get(0)).unwrap();
        assert_eq!(found, version, "{name}: the copy is of the old schema");
        let reader = open_reader(&options).unwrap();
        let mut out = Vec::new();
        reader.export(&mut out).unwrap();
        assert_same_export(&export, &String::from_utf8(out).unwrap());
        let picture = reader.topology(None, None).unwrap();
        assert_eq!(picture.edges.len(), if version < 9 { 0 } else { 27 }, "{name}: who called whom");
        assert!(picture.edges.iter().all(|edge| !edge.weak && edge.mentions == 0), "{name}: by calls, as far as it knew");
        let verdict = verify::database(&options).unwrap();
        assert!(verdict.closes && verdict.records_read > 0, "{name}: {:#?}", verdict.holes);
        let mut writer = open_writer(&options).unwrap();
        let closed = verify::closed_through(&open_reader(&options).unwrap()).unwrap();
        assert!(closed.is_some(), "{name}: how far it had come is told by old state too");
        writer.forget_state(closed, Timestamp::from_seconds(1_774_274_530)).unwrap();
        let snapshot = writer.load_snapshot().unwrap();
        assert!(snapshot.epoch > 0 && !snapshot.ledger.is_empty(), "{name}: its offsets are gone");
        drop(writer);
        let verdict = verify::database(&options).unwrap();
        assert!(verdict.closes, "{name}, with its state forgotten: {:#?}", verdict.holes);
        // Once is enough.
        drop(open_writer(&options).unwrap());
        assert!(!folder.path().join(format!("whydunit.db.schema-{version}-2")).exists());
    }
}

#[test]
fn a_newer_schema_is_refused_naming_both_versions_and_the_file_is_left_alone() {
    let copy = Copy::new();
    Connection::open(copy.path()).unwrap().pragma_update(None, "user_version", 77).unwrap();
    for error in [open_writer(&copy.options()).unwrap_err(), open_reader(&copy.options()).unwrap_err()] {
        assert!(error.to_string().contains("schema version 77") && error.to_string().contains("newer whydunit"), "{error}");
    }
    assert_eq!(copy.number("PRAGMA user_version"), 77);
}

#[test]
fn a_file_that_cannot_be_written_is_said_with_what_to_do() {
    let copy = Copy::new();
    let error = open_reader(&Options::file(copy.path().join("inside-a-file.db"))).unwrap_err();
    assert!(matches!(error, StoreError::Other(_)) && error.to_string().contains("cannot be written"), "{error}");
}
