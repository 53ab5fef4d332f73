//! Who calls whom, as observed, with how often; and who is only known to name whom in its error texts.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Observed calls of one environment, by service name. Beside them weak edges, where error texts are all that joins two services:
/// these have no calls, so that nothing which weighs calls sees them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CallGraph {
    callees: BTreeMap<String, BTreeMap<String, f64>>,
    callers: BTreeMap<String, BTreeSet<String>>,
    named: BTreeMap<String, BTreeSet<String>>,
    named_by: BTreeMap<String, BTreeSet<String>>,
}

impl CallGraph {
    /// Adds an edge of weight `calls`; a service's calls to itself are none.
    pub fn add(&mut self, caller: &str, callee: &str, calls: f64) {
        if caller == callee {
            return;
        }
        *self.callees.entry(caller.to_owned()).or_default().entry(callee.to_owned()).or_default() += calls;
        self.callers.entry(callee.to_owned()).or_default().insert(caller.to_owned());
    }

    pub fn callees<'a>(&'a self, service: &str) -> impl Iterator<Item = (&'a String, f64)> + use<'a> {
        self.callees.get(service).into_iter().flatten().map(|(callee, calls)| (callee, *calls))
    }

    pub fn callers<'a>(&'a self, service: &str) -> impl Iterator<Item = &'a String> + use<'a> {
        self.callers.get(service).into_iter().flatten()
    }

    /// Adds that error texts of `caller` name `callee`, to be called after all [`CallGraph::add`]: between services with an observed
    /// edge, whichever way it goes, it says nothing.
    pub fn add_named(&mut self, caller: &str, callee: &str) {
        if caller == callee || self.calls(caller, callee) || self.calls(callee, caller) {
            return;
        }
        self.named.entry(caller.to_owned()).or_default().insert(callee.to_owned());
        self.named_by.entry(callee.to_owned()).or_default().insert(caller.to_owned());
    }

    /// Services that a service is not seen to call, but names in its error texts.
    pub fn named<'a>(&'a self, service: &str) -> impl Iterator<Item = &'a String> + use<'a> {
        self.named.get(service).into_iter().flatten()
    }

    /// Services that are not seen to call a service, but name it in their error texts.
    pub fn named_by<'a>(&'a self, service: &str) -> impl Iterator<Item = &'a String> + use<'a> {
        self.named_by.get(service).into_iter().flatten()
    }

    fn calls(&self, caller: &str, callee: &str) -> bool {
        self.callees.get(caller).is_some_and(|callees| callees.contains_key(callee))
    }

    /// True when one calls the other, or is known to by its error texts.
    pub fn are_neighbours(&self, left: &str, right: &str) -> bool {
        let depends = |caller: &str, callee: &str| {
            self.calls(caller, callee) || self.named.get(caller).is_some_and(|callees| callees.contains(callee))
        };
        depends(left, right) || depends(right, left)
    }

    /// Steps from the nearest of `among` that nobody of `among` calls; services on a cycle only have depth 0.
    pub fn depths(&self, among: &BTreeSet<String>) -> BTreeMap<String, usize> {
        let is_entry = |service: &&String| !self.callers(service).any(|caller| among.contains(caller));
        let mut depths: BTreeMap<String, usize> = among.iter().filter(is_entry).map(|service| (service.clone(), 0)).collect();
        let mut queue: VecDeque<String> = depths.keys().cloned().collect();
        while let Some(service) = queue.pop_front() {
            let depth = depths.get(&service).copied().unwrap_or(0) + 1;
            for (callee, _) in self.callees(&service).filter(|(callee, _)| among.contains(*callee)) {
                if !depths.contains_key(callee) {
                    depths.insert(callee.clone(), depth);
                    queue.push_back(callee.clone());
                }
            }
        }
        depths
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_error_texts_name_is_an_edge_only_where_no_call_was_seen() {
        let mut graph = CallGraph::default();
        graph.add("web", "cart", 10.0);
        for (caller, callee) in [("web", "cart"), ("cart", "web"), ("cart", "cart"), ("cart", "stock")] {
            graph.add_named(caller, callee);
        }
        assert!(graph.named("web").next().is_none() && graph.named_by("web").next().is_none());
        assert!(graph.named("cart").eq(["stock"]) && graph.named_by("stock").eq(["cart"]));
        assert!(graph.are_neighbours("stock", "cart") && !graph.are_neighbours("stock", "web"));
        assert!(graph.callees("cart").next().is_none() && graph.callers("stock").next().is_none(), "it weighs nothing");
    }
}
