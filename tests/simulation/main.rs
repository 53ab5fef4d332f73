//! The whole pipeline in a simulated world: one thread, simulated time, a broker and a disk that fail as a seed says.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod broker;
mod consumer;
mod difference;
mod disk;
mod faults;
mod judge;
mod mutations;
mod run;
mod traffic;
mod workload;

use std::sync::Arc;
use std::time::Instant;

use faults::{Fault, Plan};
use workload::World;

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

fn quietly() {
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let on_purpose = panic.payload_as_str().is_some_and(|message| message.ends_with("on purpose"));
        if !on_purpose {
            hook(panic);
        }
    }));
}

#[test]
fn no_fault_loses_or_doubles_anything() {
    quietly();
    let began = Instant::now();
    let (base, seeds) = (number("WHYDUNIT_SEED_BASE", 0), number("WHYDUNIT_SEEDS", 100));
    let kinds: Vec<Fault> = Fault::ALL.to_vec();
    let (mut with_investigation, mut failed) = (0, 0);
    for seed in base..base + seeds {
        let world = Arc::new(World::draw(seed));
        let calm = match run::run(&world, &Plan::none(seed), None) {
            Ok(calm) => calm,
            Err(reason) => {
                println!("seed {seed}: without a fault: {reason}");
                failed += 1;
                continue;
            }
        };
        let mut found = judge::judge(&world, &calm.export, None);
        with_investigation += u64::from(judge::investigations(&calm.export) > 0);
        if found.is_empty() {
            let plan = Plan::draw(seed, &calm.injector.passed(), &kinds);
            match run::run(&world, &plan, None) {
                Ok(outcome) => found.extend(judge::judge(&world, &outcome.export, Some(&calm.export))),
                Err(reason) => found.push(reason),
            }
            if !found.is_empty() {
                found.push(format!("{plan:?}"));
            }
        }
        if !found.is_empty() {
            failed += 1;
            println!("seed {seed}:\n  {}", found.join("\n  "));
        }
    }
    println!("{seeds} seeds, {with_investigation} with an investigation, {failed} failed, {:?}", began.elapsed());
    assert_eq!(failed, 0);
}
