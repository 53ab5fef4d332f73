//! An event in the making: its required parts first, then whose it is and its facts.
//!
//! All formats of changes speak one vocabulary in `data`, so that what belongs together is found together: `sha`, `before_sha`,
//! `tip_sha`, `branch`, `ref`, `repository`, `pull_request`, `run_id`, `artifact`, `image`, `environment`, `version`, `author`, `message`,
//! `files`, `diff`, `merge`, `url`. Ids are texts, whatever their producer sends.

use super::change::Data;
use crate::model::event::truncate;
use crate::model::position::derived_id;
use crate::model::{Event, Severity, Source, Timestamp};

/// Characters of a service, environment or host.
const MAX_NAME: usize = 200;
/// Characters of an event type.
const MAX_TYPE: usize = 100;
/// Characters of an external id that are kept as they are.
const MAX_SOURCE_ID: usize = 400;

#[derive(Debug)]
pub(super) struct Draft {
    event: Event,
    pub(super) data: Data,
}

impl Draft {
    pub(super) fn new(at: Timestamp, source: Source, event_type: &str, severity: Severity, title: &str) -> Self {
        let event = Event::new(String::new(), at, source, &type_name(event_type), severity, title);
        Self { event, data: Data::default() }
    }

    pub(super) fn of_service(mut self, service: Option<&str>) -> Self {
        self.event.service = service.map(|name| truncate(name, MAX_NAME));
        self
    }

    pub(super) fn in_environment(mut self, environment: Option<&str>) -> Self {
        self.event.environment = environment.map(|name| truncate(name, MAX_NAME));
        self.data.put_text("environment", environment);
        self
    }

    pub(super) fn on_host(mut self, host: Option<&str>) -> Self {
        self.event.host = host.map(|name| truncate(name, MAX_NAME));
        self
    }

    /// External id with its life-cycle step. Of one too long to keep, the head and a digest of the whole.
    pub(super) fn with_source_id(mut self, id: &str) -> Self {
        let kept = truncate(id, MAX_SOURCE_ID);
        self.event.source_id = Some(if kept.len() == id.len() { kept } else { format!("{}#{}", truncate(id, 350), derived_id(id)) });
        self
    }

    /// What repeats of one thing have in common.
    pub(super) fn with_fingerprint(mut self, fingerprint: &str) -> Self {
        self.event.fingerprint = truncate(fingerprint, MAX_NAME);
        self
    }

    pub(super) fn tag(&mut self, tag: &str) {
        self.event.tags.insert(truncate(tag, 100));
    }

    pub(super) fn fact(&mut self, key: &str, text: Option<&str>) {
        self.data.put_text(key, text);
    }

    pub(super) fn into_event(mut self) -> Event {
        self.event.data = self.data.into_value();
        self.event
    }
}

/// A type as it may stand in a query: letters in lower case, digits, `_`, `.` and `-`.
fn type_name(name: &str) -> String {
    let kept = |letter: char| match letter.to_ascii_lowercase() {
        letter @ ('a'..='z' | '0'..='9' | '_' | '.' | '-') => letter,
        _ => '_',
    };
    name.chars().take(MAX_TYPE).map(kept).collect()
}

/// Event type and severity of one step of a build, job, check or status: one vocabulary for all systems. `step` is the conclusion
/// where there is one.
pub(super) fn step_of(what: &str, step: &str) -> (String, Severity) {
    let (name, severity) = match step {
        "success" | "succeeded" | "passed" => ("succeeded", Severity::Info),
        "failure" | "failed" | "error" | "timed_out" | "startup_failure" => ("failed", Severity::Medium),
        "canceled" | "cancelled" => ("cancelled", Severity::Info),
        "completed" | "finished" => ("finished", Severity::Info),
        "in_progress" | "running" | "started" => ("started", Severity::Info),
        "requested" | "queued" | "created" | "pending" | "preparing" | "scheduled" | "waiting" | "waiting_for_resource" => {
            ("queued", Severity::Info)
        }
        other => (other, Severity::Info),
    };
    (format!("{what}_{}", truncate(name, 60)), severity)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_too_long_to_keep_stay_apart() {
        let draft = |id: &str| {
            Draft::new(Timestamp::from_seconds(1), Source::Ci, "x", Severity::Info, "t").with_source_id(id).into_event().source_id
        };
        let long = "é".repeat(399);
        assert_eq!(draft(&format!("{long}a")), Some(format!("{long}a")));
        let (one, other) = (draft(&format!("{long}/started")), draft(&format!("{long}/finished")));
        assert!(one != other && one.as_ref().is_some_and(|id| id.chars().count() <= 400), "{one:?} {other:?}");
    }

    #[test]
    fn a_type_holds_only_what_a_query_may() {
        assert_eq!(type_name("Com.Example Order/Created"), "com.example_order_created");
        assert_eq!(type_name(&"é".repeat(300)).len(), 100);
    }
}
