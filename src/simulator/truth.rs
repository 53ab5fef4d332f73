//! What is to blame for a fault: what a perfect investigator would say.

use super::faults::Breaking;
use super::topology::Plan;
use crate::model::Timestamp;

/// What is to blame for a fault of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Truth {
    pub fault: String,
    /// Root-cause service; `None` where a host is to blame.
    pub service: Option<String>,
    /// Other names that are right as well.
    pub accept: Vec<String>,
    /// Host to blame, where it is one.
    pub host: Option<String>,
    /// Commit behind it; `None`: no change is.
    pub change: Option<String>,
    /// How many times as bad as normal and which share of the requests, where they were chosen.
    pub strength: Option<f64>,
    pub share: Option<f64>,
    /// Deploy that brought it: when its first pod ran, else when the fault began.
    pub onset: Timestamp,
    /// When it is over, if it ends.
    pub over: Option<Timestamp>,
    /// Seconds after the onset within which an investigation should be open.
    pub open_within_s: u32,
}

pub(super) fn truth(plan: &Plan, breaking: &Breaking) -> Truth {
    let fault = &breaking.file;
    let mut accept = fault.accept.clone();
    let pod_host = fault.host_of_pod.and_then(|number| {
        let service = plan.service(fault.service.as_deref()?)?;
        plan.pods.get(plan.services[service].pods.start + number).map(|pod| plan.nodes[pod.node].to_string())
    });
    // Whoever lives on a noisy host is a right answer.
    if let Some(node) = fault.host.as_deref().and_then(|host| plan.nodes.iter().position(|node| **node == *host)) {
        accept.extend(plan.pods.iter().filter(|pod| pod.node == node).map(|pod| plan.services[pod.service].name.to_string()));
    }
    Truth {
        fault: fault.name.clone(),
        service: fault.service.clone(),
        accept,
        host: fault.host.clone().or(pod_host),
        change: fault.change.as_ref().map(|change| change.sha.clone()),
        strength: breaking.strength,
        share: breaking.share,
        onset: Timestamp::from_nanos(breaking.onset),
        over: (breaking.over < i64::MAX).then(|| Timestamp::from_nanos(breaking.over)),
        open_within_s: fault.open_within_s,
    }
}
