//! What closed in one bucket, by service, so that a case looks at its own services only.

use rustc_hash::FxHashMap;

use crate::model::Event;
use crate::model::signal::{ClosedBucket, EdgeCount, EntityLoad};

/// Of one environment; each list in the order in which the shards told it.
#[derive(Debug, Default)]
pub struct ByService<'a> {
    loads: FxHashMap<&'a str, Vec<&'a EntityLoad>>,
    /// By caller and by callee, with their places among all.
    edges: FxHashMap<&'a str, Vec<(usize, &'a EdgeCount)>>,
    events: FxHashMap<&'a str, Vec<(usize, &'a Event)>>,
}

impl<'a> ByService<'a> {
    pub fn of(environment: &str, closed: &'a [ClosedBucket]) -> Self {
        let mut found = Self::default();
        for load in closed.iter().flat_map(|shard| &shard.loads).filter(|load| load.entity.environment == environment) {
            found.loads.entry(&load.entity.service).or_default().push(load);
        }
        for (place, edge) in closed.iter().flat_map(|shard| &shard.edges).enumerate() {
            for end in [&edge.caller, &edge.callee] {
                if end.environment == environment {
                    found.edges.entry(&end.service).or_default().push((place, edge));
                }
            }
        }
        for (place, event) in closed.iter().flat_map(|shard| &shard.events).enumerate() {
            if let (Some(named), Some(service)) = (&event.environment, &event.service)
                && named == environment
            {
                found.events.entry(service).or_default().push((place, event));
            }
        }
        found
    }

    pub fn loads<'b>(&'b self, services: impl Iterator<Item = &'b String> + 'b) -> impl Iterator<Item = &'a EntityLoad> + 'b {
        services.filter_map(|service| self.loads.get(service.as_str())).flatten().copied()
    }

    /// Each once, though both its ends are among the services.
    pub fn edges<'b>(&self, services: impl Iterator<Item = &'b String>) -> Vec<&'a EdgeCount> {
        in_order(services.filter_map(|service| self.edges.get(service.as_str())).flatten().copied())
    }

    pub fn events<'b>(&self, services: impl Iterator<Item = &'b String>) -> Vec<&'a Event> {
        in_order(services.filter_map(|service| self.events.get(service.as_str())).flatten().copied())
    }
}

fn in_order<'a, T>(found: impl Iterator<Item = (usize, &'a T)>) -> Vec<&'a T> {
    let mut found: Vec<(usize, &T)> = found.collect();
    found.sort_unstable_by_key(|(place, _)| *place);
    found.dedup_by_key(|(place, _)| *place);
    found.into_iter().map(|(_, item)| item).collect()
}
