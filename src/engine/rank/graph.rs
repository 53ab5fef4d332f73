//! Who calls whom, as observed, with how often.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Observed calls of one environment, by service name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CallGraph {
    callees: BTreeMap<String, BTreeMap<String, f64>>,
    callers: BTreeMap<String, BTreeSet<String>>,
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

    pub fn are_neighbours(&self, left: &str, right: &str) -> bool {
        let calls = |caller: &str, callee: &str| self.callees.get(caller).is_some_and(|callees| callees.contains_key(callee));
        calls(left, right) || calls(right, left)
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
