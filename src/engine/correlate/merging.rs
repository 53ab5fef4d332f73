//! Two investigations that turn out to be of one fault become one: the older keeps its id and takes the younger in.
//!
//! They merge while both are fresh, when hot members of both are connected and began together. What began much later, or
//! is not connected, is another fault.

use std::collections::{BTreeMap, BTreeSet};

use super::case::Case;
use super::investigator::Investigator;
use super::links::Links;
use crate::model::Bucket;

/// Opened at most this long ago (5 min).
const FRESH_BUCKETS: i64 = 20;
/// Onsets at most this far apart, seconds.
pub const TOGETHER_S: f64 = 120.0;

impl Investigator {
    /// Merges what is connected, oldest first.
    pub(super) fn merge_cases(&mut self, environment: &str, bucket: Bucket, links: &Links<'_>) {
        let fresh = |case: &Case| case.goes_on() && !case.apart && bucket.0 - Bucket::of(case.detected_at).0 <= FRESH_BUCKETS;
        let ids: Vec<String> =
            self.case_ids(environment).into_iter().filter(|id| self.cases.get(id).is_some_and(|case| fresh(case))).collect();
        if ids.len() < 2 {
            return;
        }
        let hot = self.hot_services(environment, bucket, self.options.weak);
        let mut reached_by: BTreeMap<String, BTreeSet<usize>> = BTreeMap::new();
        for (place, id) in ids.iter().enumerate() {
            for service in links.around(&self.hot_members(id, &hot)) {
                reached_by.entry(service).or_default().insert(place);
            }
        }
        for (place, older) in ids.iter().enumerate() {
            let mut after = place;
            // What it took in reaches further.
            while let Some(next) = self.hot_members(older, &hot).iter().filter_map(|member| next_of(reached_by.get(member)?, after)).min() {
                after = next;
                if self.are_one(older, &ids[next]) {
                    self.merge(older, &ids[next], bucket);
                }
            }
        }
    }

    /// Whether two that are connected are one. A merged one has its members in the other: it is not looked at again.
    fn are_one(&self, older: &str, younger: &str) -> bool {
        let (Some(older), Some(younger)) = (self.cases.get(older), self.cases.get(younger)) else { return false };
        let together = older.started_at.seconds_since(younger.started_at).abs() <= TOGETHER_S;
        together && older.goes_on() && younger.goes_on()
    }

    fn hot_members(&self, id: &str, hot: &BTreeSet<String>) -> BTreeSet<String> {
        let members = self.cases.get(id).into_iter().flat_map(|case| case.members.keys());
        members.filter(|member| hot.contains(*member)).cloned().collect()
    }

    fn merge(&mut self, older: &str, younger: &str, bucket: Bucket) {
        let Some(from) = self.case(younger) else { return };
        from.merged_into = Some(older.to_owned());
        let from = from.clone();
        if let Some(case) = self.case(older) {
            case.take_in(from, bucket);
        }
    }
}

fn next_of(places: &BTreeSet<usize>, after: usize) -> Option<usize> {
    places.range(after + 1..).next().copied()
}

impl Case {
    /// True while it is open to what comes: not recovered, not closed by a person, not merged into another.
    pub fn goes_on(&self) -> bool {
        self.recovered_at.is_none() && !self.closed && self.merged_into.is_none()
    }

    /// Takes over another case of the same fault: members, evidence, and its events as links.
    fn take_in(&mut self, other: Self, bucket: Bucket) {
        let short: String = other.id.chars().take(8).collect();
        for (service, member) in other.members {
            self.members.entry(service).or_insert(member);
        }
        for signal in other.signals.values().flat_map(BTreeMap::values) {
            self.take_signal(signal);
        }
        for (service, excess) in other.excess {
            self.excess.entry(service).or_insert(excess);
        }
        for (service, loads) in other.loads {
            self.loads.entry(service).or_insert(loads);
        }
        self.told_at = self.told_at.take().or(other.told_at);
        for (edge, sums) in other.edges {
            let known = self.edges.entry(edge).or_default();
            // Both saw the calls between them.
            *known = (known.0.max(sums.0), known.1.max(sums.1), known.2.max(sums.2));
        }
        for (service, texts) in other.texts {
            texts.iter().for_each(|text| self.take_text(&service, text));
        }
        for link in other.new_links {
            self.link(&link.event_id, link.confidence, &link.reason, bucket.end());
        }
        for event_id in &other.linked {
            self.link(event_id, 0.7, &format!("belonged to investigation {short}, which was merged into this one"), bucket.end());
        }
        self.surge = self.surge.take().or(other.surge);
        self.told |= other.told;
        self.told_of_any |= other.told_of_any;
        self.take_openers(&other.opened_by.into_iter().collect::<Vec<_>>());
        self.told_of_any_at = self.told_of_any_at.or(other.told_of_any_at);
        self.last_hot = self.last_hot.max(other.last_hot);
        self.live_until = self.live_until.max(other.live_until);
        if other.started_at < self.started_at {
            self.started_at = other.started_at;
            self.first_service = other.first_service;
        }
        self.because = format!("{}; merged with {short}, opened by {}", self.because, other.because);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::correlate::CorrelateOptions;
    use crate::model::command::{Action, Command, InboxRow};
    use crate::model::entity::ServiceName;
    use crate::model::investigation::{EngineFindings, Opener};
    use crate::model::signal::{ClosedBucket, EdgeCount, Facts, Family, Signal};
    use crate::model::{Event, Severity, Source, Timestamp};

    fn name(service: &str) -> ServiceName {
        ServiceName { environment: "prod".to_owned(), service: service.to_owned() }
    }

    fn signal(service: &str, onset: Timestamp) -> Signal {
        Signal {
            service: name(service),
            family: Family::Latency,
            detector: "self_time".to_owned(),
            key: service.to_owned(),
            surprise: 20.0,
            rank_surprise: 20.0,
            window_s: 60,
            onset,
            ended: None,
            after_deployment: false,
            facts: Facts::default(),
            sentence: format!("{service} is slow"),
            event_id: format!("slow-{service}"),
            host: None,
            series: Vec::new(),
            unit: String::new(),
        }
    }

    /// web calls a and b; each of `hot` is slow in the buckets given.
    fn closed(bucket: i64, hot: &[(&str, std::ops::Range<i64>)]) -> ClosedBucket {
        let bucket = Bucket(1_000 + bucket);
        let mut closed = ClosedBucket { bucket, ..ClosedBucket::default() };
        for callee in ["a", "b"] {
            let (caller, callee) = (name("web"), name(callee));
            closed.edges.push(EdgeCount { caller, callee, calls: 20, failed: 0, duration_ns: 0 });
        }
        for (service, when) in hot.iter().filter(|(_, when)| when.contains(&(bucket.0 - 1_000))) {
            let onset = Bucket(1_000 + when.start).start();
            closed.signals.push(signal(service, onset));
            let mut event = Event::new(format!("slow-{service}"), onset, Source::Traces, "slow_call", Severity::High, "slow");
            (event.environment, event.service) = (Some("prod".to_owned()), Some((*service).to_owned()));
            closed.events.push(event);
        }
        closed
    }

    fn run(investigator: &mut Investigator, buckets: std::ops::Range<i64>, hot: &[(&str, std::ops::Range<i64>)]) -> Vec<EngineFindings> {
        buckets.flat_map(|bucket| investigator.step(vec![closed(bucket, hot)])).collect()
    }

    fn newest(findings: &[EngineFindings]) -> BTreeMap<String, EngineFindings> {
        findings.iter().map(|findings| (findings.service_affected.clone(), findings.clone())).collect()
    }

    #[test]
    fn two_investigations_whose_services_become_connected_are_one_and_the_older_keeps_its_id() {
        let mut investigator = Investigator::new(&CorrelateOptions::default(), None);
        let found = run(&mut investigator, 0..9, &[("a", 1..9), ("b", 2..9), ("web", 5..9)]);
        let opened: BTreeSet<&str> = found.iter().map(|findings| findings.id.as_str()).collect();
        assert_eq!(opened.len(), 2, "web joins them only later");
        let newest = newest(&found);
        let (older, younger) = (&newest["a"], &newest["b"]);
        assert_eq!((younger.merged_into.as_ref(), older.merged_into.as_ref()), (Some(&older.id), None));
        assert!(younger.headline.starts_with(&format!("Merged into {}", &older.id[..8])), "{}", younger.headline);
        assert!(older.hot_services.contains(&"b".to_owned()), "{:?}", older.hot_services);
        let links = found.iter().filter(|findings| findings.id == older.id).flat_map(|findings| &findings.new_links);
        assert!(links.into_iter().any(|link| link.event_id == "slow-b"), "its events belong to the older one now");
        assert_eq!(found.iter().filter(|findings| findings.merged_into.is_some()).count(), 1, "its last word");
    }

    #[test]
    fn what_opened_the_younger_is_remembered_by_the_older_so_that_a_false_alarm_can_mute_it() {
        let opener = |service: &str| Opener { service: service.to_owned(), detector: "failures".to_owned(), key: "GET /".to_owned() };
        let case = |service: &str| Case { opened_by: BTreeSet::from([opener(service)]), ..Case::default() };
        let mut older = case("a");
        older.take_in(case("b"), Bucket(1_000));
        assert_eq!(older.opened_by, BTreeSet::from([opener("a"), opener("b")]));
    }

    #[test]
    fn two_faults_that_nothing_connects_stay_two() {
        let mut investigator = Investigator::new(&CorrelateOptions::default(), None);
        let found = run(&mut investigator, 0..12, &[("a", 1..12), ("b", 2..12)]);
        let newest = newest(&found);
        assert_eq!(newest.len(), 2);
        assert!(newest.values().all(|findings| findings.merged_into.is_none()));
    }

    #[test]
    fn one_that_a_person_opens_again_stays_apart() {
        let hot = [("a", 1..20), ("b", 2..20), ("web", 5..20)];
        let mut investigator = Investigator::new(&CorrelateOptions::default(), None);
        let found = run(&mut investigator, 0..9, &hot);
        let id = newest(&found)["b"].id.clone();
        let action = Action::ReopenInvestigation { id: id.clone(), reason: "not the same".to_owned() };
        let command = Command { who: "noor".to_owned(), idempotency_key: None, expected_version: None, action };
        investigator.command(&InboxRow { id: 1, command, at: Timestamp::EPOCH });
        let later = run(&mut investigator, 9..14, &hot);
        let apart = later.iter().rfind(|findings| findings.id == id).expect("it speaks again");
        assert_eq!(apart.merged_into, None);
    }
}
