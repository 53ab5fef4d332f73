//! Lines that point at one instance of somebody who is called.
//!
//! "discarding entry from cache-1: wrong checksum" is written by a reader, but speaks of the cache. Stores and outsiders write
//! no spans and often no lines of their own: what their callers say of one of their instances is then the only sign of them.
//! The name of a service alone says less, every failed call holds it; the name of one instance of several says that the
//! others are well.

use super::finding::Kind;
use super::sentences::number;
use crate::model::entity::ServiceName;
use crate::model::signal::Signal;

/// What a signal of lines that have come up says of one of `callees`, if it names an instance of it: a signal of the callee.
pub fn pointed<'a>(by: &Signal, callees: impl Iterator<Item = &'a ServiceName>) -> Option<Signal> {
    let is_lines = [Kind::LogShape, Kind::NewError].iter().any(|kind| kind.as_str() == by.detector);
    let facts = &by.facts;
    if !is_lines || facts.hits_now * facts.cases_before.max(1.0) <= facts.hits_before * facts.cases_now.max(1.0) {
        return None;
    }
    // "operation: line before → line after"
    let line = by.key.rsplit(" → ").next().unwrap_or_default();
    let mut callees = callees.filter(|callee| callee.environment == by.service.environment);
    let (callee, instance) = callees.find_map(|callee| Some((callee, instance_in(line, &callee.service)?)))?;
    let (now, cases_now) = (number(facts.hits_now), number(facts.cases_now));
    let (before, cases_before) = (number(facts.hits_before), number(facts.cases_before));
    let (reader, service) = (&by.service.service, &callee.service);
    Some(Signal {
        service: callee.clone(),
        detector: Kind::PointedAt.as_str().to_owned(),
        key: instance.to_owned(),
        host: Some(instance.to_owned()),
        sentence: format!(
            "{reader} names {instance} of {service} in {now} of {cases_now} cases, in {before} of {cases_before} before: {line}"
        ),
        ..by.clone()
    })
}

/// The instance of `service` that a line names: `name-0`, `name-7d9f8b6c5-x2x4z`, also in front of a domain.
fn instance_in<'t>(line: &'t str, service: &str) -> Option<&'t str> {
    let is_part = |letter: char| letter.is_ascii_alphanumeric() || letter == '-' || letter == '_';
    line.split(|letter: char| !is_part(letter)).find(|token| {
        let number = token.strip_prefix(service).and_then(|rest| rest.strip_prefix('-'));
        number.is_some_and(|number| number.bytes().any(|byte| byte.is_ascii_digit()) && number.split('-').count() <= 2)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_names_an_instance_in_any_writing_of_its_host() {
        assert_eq!(instance_in("‹discarding entry from prices-cache-1 wrong checksum›", "prices-cache"), Some("prices-cache-1"));
        let pod = "prices-cache-7d9f8b6c5-x2x4z";
        assert_eq!(instance_in("‹tcp://prices-cache-7d9f8b6c5-x2x4z.cache.svc:6379 answers nonsense›", "prices-cache"), Some(pod));
    }

    #[test]
    fn the_name_of_a_service_or_of_somebody_else_is_no_instance() {
        for line in ["Get on prices-cache failed", "other-prices-cache-1 is away", "prices-cache-warmer is away", "prices-cache-a-1-b"] {
            assert_eq!(instance_in(line, "prices-cache"), None, "{line}");
        }
    }
}
