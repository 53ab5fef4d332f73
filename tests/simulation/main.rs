//! The whole pipeline in a simulated world: one thread, simulated time, a broker and a disk that fail as a seed says.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod broker;
mod campaign;
mod consumer;
mod difference;
mod disk;
mod faults;
mod judge;
mod mutations;
mod run;
mod traffic;
mod workload;

use faults::Fault;

/// All kinds of faults but those that `WHYDUNIT_WITHOUT` names, comma-separated.
fn kinds() -> Vec<Fault> {
    let without = std::env::var("WHYDUNIT_WITHOUT").unwrap_or_default();
    Fault::ALL.into_iter().filter(|fault| without.split(',').all(|name| name != format!("{fault:?}"))).collect()
}

#[test]
fn no_fault_loses_or_doubles_anything() {
    let campaign = campaign::run(&campaign::Options::from_environment(300), &kinds(), None);
    println!("{campaign}");
    assert!(campaign.failures.is_empty(), "{} seeds failed, see above", campaign.failures.len());
    assert!(
        campaign.with_investigation * 2 > campaign.seeds,
        "only {} of {} worlds opened an investigation",
        campaign.with_investigation,
        campaign.seeds
    );
}
