//! `kill -9` between storing and telling, and between telling and booking.

use std::collections::{BTreeMap, BTreeSet};

use super::receiver::Receiver;
use super::story::{PATIENCE, Story, notifications, settings, states, webhook};
use crate::support::process::Home;

const ROUNDS: usize = 3;

#[test]
fn killed_between_storing_and_telling_everything_arrives_and_nothing_twice_with_another_content() {
    let mut receiver = Receiver::down();
    let home = Home::new(&settings(&webhook(&receiver)));
    let mut story = Story::begin();
    for round in 0..ROUNDS {
        // Stored, and nobody hears it: killed as soon as it is seen.
        receiver.hang_up();
        let run = home.run();
        let services = [format!("cart-{round}"), format!("payment-{round}")];
        story.break_down(&run, &services.each_ref().map(String::as_str));
        run.wait_until("both are stored", PATIENCE, |run| notifications(run).len() >= 3 * round + 2);
        run.killed();
        // Told, and not yet booked: killed the moment it says so.
        receiver.listen();
        let mut run = home.run_into(|line| line.contains("\"told\""));
        let began = receiver.taken().len();
        run.wait_for_line(PATIENCE, |line| line.contains("\"told\"")).expect("something is told");
        assert!(receiver.taken().len() > began || !run.is_running());
        run.killed();
        // And once more while it tells something new.
        let (trap, new) = (format!("stock-{round}"), format!("stock-{round}"));
        let run = home.run();
        run.wait_until("what waited is told", PATIENCE, |run| states(run, "webhook").iter().all(|state| state == "delivered"));
        story.break_down(&run, &[&new]);
        run.wait_until("the new one is on its way", PATIENCE, |_| receiver.taken().iter().any(|got| got.body.contains(&trap)));
        run.killed();
    }
    let run = home.run();
    run.wait_until("nothing waits", PATIENCE, |run| {
        let states = states(run, "webhook");
        states.len() >= 3 * ROUNDS && states.iter().all(|state| state == "delivered")
    });
    let told = notifications(&run);
    let investigations = run.api("/api/v1/investigations?per_page=100");
    run.terminate();

    let mut contents: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let taken = receiver.taken();
    for got in &taken {
        assert!(got.is_signed());
        contents.entry(got.header("webhook-id").to_owned()).or_default().insert(got.body.clone());
    }
    println!("{} notifications, sent {} times over {} kills", told.len(), taken.len(), 3 * ROUNDS);
    for (id, contents) in &contents {
        assert_eq!(contents.len(), 1, "{id} was told with different contents: {contents:?}");
    }
    let stored: BTreeSet<&str> = told.iter().map(|told| told["id"].as_str().unwrap()).collect();
    assert_eq!(contents.keys().map(String::as_str).collect::<BTreeSet<_>>(), stored, "told is what is stored");
    let opened: BTreeSet<&str> =
        told.iter().filter(|told| told["kind"] == "opened").map(|told| told["investigation_id"].as_str().unwrap()).collect();
    let known: BTreeSet<&str> = investigations.as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap()).collect();
    assert_eq!(known.len(), 3 * ROUNDS);
    assert_eq!(opened, known, "every investigation was told");
}
