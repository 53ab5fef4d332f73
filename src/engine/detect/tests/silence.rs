//! Lines that are lost, found again, or collected for the first time are no incident.

use super::drive::Pipeline;
use super::traffic::{Fault, Item, START_S, entity, shop};
use crate::model::Timestamp;

/// Openings of a shop in which nobody collects the lines of the cart in these seconds.
fn opened(without: std::ops::Range<i64>) -> Vec<String> {
    let mut shop = shop(11, 12, Fault::None, 0);
    let cart = entity(&mut shop, "cart");
    let is_lost = |at: Timestamp| without.contains(&(at.seconds_since(Timestamp::from_seconds(START_S)) as i64));
    shop.items.retain(|item| !matches!(item, Item::Line(line) if line.entity == cart && is_lost(line.timestamp)));
    let mut pipeline = Pipeline::new(2, None);
    pipeline.run(&shop, 500, 2_000, 3);
    pipeline.findings.iter().map(|findings| findings.opened_because.clone()).collect()
}

#[test]
fn lines_lost_while_a_service_is_learned_and_found_again_open_nothing() {
    assert_eq!(opened(205..292), Vec::<String>::new());
}

#[test]
fn lines_lost_later_open_nothing() {
    assert_eq!(opened(427..509), Vec::<String>::new());
}

#[test]
fn the_first_lines_of_a_service_that_was_known_by_its_spans_alone_open_nothing() {
    assert_eq!(opened(0..400), Vec::<String>::new());
}
