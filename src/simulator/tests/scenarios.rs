//! What the scenarios expect is what the simulator does.

use super::{options, start};
use crate::simulator::{Shop, catalog};

#[path = "../../../tests/scenarios/loader.rs"]
mod loader;

#[test]
fn every_fault_has_a_scenario_that_expects_its_truth() {
    let scenarios = loader::scenarios().unwrap();
    assert_eq!(scenarios.len(), catalog().len());
    for expected in scenarios {
        let chosen = options(Some(&expected.fault));
        let end = start().plus_seconds(i64::from(chosen.history_s));
        let shop = Shop::new(chosen, start()).unwrap();
        let truth = shop.truth().unwrap();
        assert_eq!((&expected.root_cause, &expected.host), (&truth.service, &truth.host), "{}", expected.fault);
        assert!(truth.accept.iter().all(|name| expected.accepts(name)), "{}: accept = {:?}", expected.fault, truth.accept);
        assert!(expected.accepts_change(truth.change.as_deref()), "{}", expected.fault);
        assert!(!expected.accepts_change(Some("0000000000000000")), "{}", expected.fault);
        assert_eq!(end.seconds_since(truth.onset), f64::from(expected.onset_before_end_s), "{}", expected.fault);
        assert_eq!(expected.open_within_s, truth.open_within_s, "{}", expected.fault);
    }
}
