//! No room on the disk, and a database that is taken away: nothing is lost, and it is said.

use std::cell::Cell;
use std::path::Path;
use std::time::Duration;

use rustix::process::Signal;

use super::{PATIENCE, records_read};
use crate::support::kafka::KafkaServer;
use crate::support::process::{Home, Run, assert_same_export};
use crate::support::shop::{ShopFeed, read_to_the_end, settings, write_shop};
use crate::support::small_disk::SmallDisk;

/// Small batches, so that little is under way when the disk is full.
const SMALL_BATCHES: &str = "[kafka.batch]\nmax_records = 50\nqueue = 1\n";
/// What cannot be stored is not waited for at an end.
const NO_DRAIN: [(&str, &str); 1] = [("WHYDUNIT__PIPELINE__DRAIN_S", "1")];

fn undisturbed(settings: &str) -> String {
    let home = Home::new(settings);
    let run = home.run();
    run.wait_until("everything is read", PATIENCE, read_to_the_end);
    run.terminate();
    home.export()
}

fn says_that_the_disk_is_full(run: &Run) -> bool {
    run.ops("/readyz").to_string().contains("disk full")
}

/// It says everywhere what is wrong, since when and what happens next, and reads nothing more.
fn assert_waits_for_the_disk(run: &Run, path: &Path, what_ends_it: &str) {
    run.wait_until("it says that the disk is full", PATIENCE, says_that_the_disk_is_full);
    let (ready, connectors) = (run.ops("/readyz"), run.api("/api/v1/connectors"));
    assert_eq!(ready["status"], "not_ready", "{ready}");
    let ready = ready.to_string();
    for word in ["disk full", &path.display().to_string(), "reading waits", "nothing is lost", what_ends_it, "since 20"] {
        assert!(ready.contains(word), "{word}: {ready}");
    }
    for connector in connectors.as_array().unwrap() {
        assert_eq!(connector["state"], "backing_off", "{connector}");
        assert!(connector["because"].as_str().unwrap().contains("disk full") && connector["since"].is_string(), "{connector}");
    }
    assert_eq!(run.metric("whydunit_ready"), Some(0.0));
    assert!(run.metric("whydunit_store_retries_total{").is_some_and(|retries| retries >= 1.0));
    // What was under way comes to rest; after that nothing more is read.
    let last = Cell::new(records_read(run));
    run.wait_until("reading rests", PATIENCE, |run| {
        run.within(Duration::from_secs(1), |_| false);
        let now = records_read(run);
        last.replace(now) == now
    });
}

#[test]
fn a_full_disk_stops_reading_and_with_room_again_it_goes_on_by_itself() {
    let Some(disk) = SmallDisk::mount(64) else { return };
    let server = KafkaServer::shared();
    write_shop(server, "full-disk");
    let settings = settings(server, "full-disk", SMALL_BATCHES);
    let home = Home::with_database(&settings, tempfile::tempdir().unwrap(), disk.database());
    disk.fill(1_500);
    let run = home.run_with(&NO_DRAIN);
    assert_waits_for_the_disk(&run, home.database(), "make room there, and it goes on by itself");
    assert!(!read_to_the_end(&run));
    let took = run.terminate_within(PATIENCE);
    println!("ended {took:?} after SIGTERM, on a full disk");

    // A start on a full disk waits too, whether or not the little there is lets it open the database.
    let run = home.run_without_room();
    run.wait_until("it says that the disk is full", PATIENCE, says_that_the_disk_is_full);
    disk.make_room();
    let run = run.begun();
    run.wait_until("it is ready again", PATIENCE, |run| run.ops("/readyz")["status"] == "ready");
    run.wait_until("everything is read", PATIENCE, read_to_the_end);
    assert_eq!(run.metric("whydunit_ready"), Some(1.0));
    run.terminate();
    assert_same_export(&undisturbed(&settings), &home.export());
}

#[test]
fn a_first_start_on_a_full_disk_says_so_on_its_probes_and_begins_once_there_is_room() {
    let Some(disk) = SmallDisk::mount(64) else { return };
    let server = KafkaServer::shared();
    write_shop(server, "no-room");
    let settings = settings(server, "no-room", "");
    let home = Home::with_database(&settings, tempfile::tempdir().unwrap(), disk.database());
    disk.fill(0);
    let run = home.run_without_room();
    let ready = run.ops("/readyz");
    assert_eq!(ready["status"], "not_ready", "{ready}");
    let ready = ready.to_string();
    let path = home.database().display().to_string();
    for word in ["no room for", &path, "make room there", "nothing is lost", "tried again every", "since 20"] {
        assert!(ready.contains(word), "{word}: {ready}");
    }
    assert_eq!((run.ops_text("/healthz"), run.metric("whydunit_ready")), ("alive\n".to_owned(), Some(0.0)));
    run.terminate_within(PATIENCE);

    let run = home.run_without_room();
    disk.make_room();
    let run = run.begun();
    run.wait_until("everything is read", PATIENCE, read_to_the_end);
    run.terminate();
    assert_same_export(&undisturbed(&settings), &home.export());
}

#[test]
fn a_database_at_its_limit_stops_reading_and_with_a_higher_one_it_goes_on() {
    let server = KafkaServer::shared();
    write_shop(server, "limit");
    let settings = settings(server, "limit", SMALL_BATCHES);
    let home = Home::new(&settings);
    let run = home.run_with(&[("WHYDUNIT__STORE__MAX_SIZE_MIB", "1")]);
    assert_waits_for_the_disk(&run, home.database(), "store.max_size_mib = 1; start again with a higher limit");

    // It cannot drain; a second signal does not wait for that.
    run.signal(Signal::TERM);
    run.wait_for_line(PATIENCE, |line| line.contains("once more to stop at once")).expect("it drains");
    run.signal(Signal::TERM);
    let (status, said) = run.ended(PATIENCE);
    assert_eq!(status.and_then(|status| status.code()), Some(130), "{said}");

    let run = home.run();
    run.wait_until("everything is read", PATIENCE, read_to_the_end);
    run.terminate();
    assert_same_export(&undisturbed(&settings), &home.export());
}

#[test]
fn a_database_that_another_program_holds_is_waited_for() {
    let server = KafkaServer::shared();
    let settings = settings(server, "held", SMALL_BATCHES);
    let mut feed = ShopFeed::open(server, "held", 300, &[]);
    feed.write_until(300);
    let home = Home::new(&settings);
    let run = home.run();
    run.wait_until("the first part is read", PATIENCE, |run| records_read(run) > 0 && run.ops("/readyz")["status"] == "ready");
    let other = rusqlite::Connection::open(home.database()).unwrap();
    other.busy_timeout(PATIENCE).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    feed.write_to_the_end();
    run.wait_until("it says who is in the way", PATIENCE, |run| {
        let ready = run.ops("/readyz");
        let said = ready.to_string();
        ready["status"] == "not_ready"
            && ["another program holds", &home.database().display().to_string(), "once that lets go", "since 20"]
                .iter()
                .all(|word| said.contains(word))
    });
    other.execute_batch("ROLLBACK").unwrap();
    drop(other);
    run.wait_until("everything is read", PATIENCE, |run| read_to_the_end(run) && run.ops("/readyz")["status"] == "ready");
    run.terminate();
    assert_same_export(&undisturbed(&settings), &home.export());
}

#[test]
fn a_database_taken_away_under_it_ends_the_process_with_the_reason() {
    let home = Home::new(&settings(KafkaServer::shared(), "nothing-here", ""));
    let run = home.run();
    std::fs::rename(home.database(), home.database().with_extension("moved")).unwrap();
    let (status, said) = run.ended(PATIENCE);
    assert!(status.is_some_and(|status| !status.success()), "{status:?} {said}");
    assert!(said.contains(&home.database().display().to_string()) && said.contains("deleted or moved"), "{said}");
}
