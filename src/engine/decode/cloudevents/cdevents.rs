//! CDEvents 0.1 to 0.5: `context.type` is `dev.cdevents.<subject>.<predicate>.<version>`, `subject` names what it happened to.
//!
//! A service that is deployed or upgraded is a `deployment`, one rolled back a `rollback`; everything else is
//! `<subject>_<predicate>`: `build_finished`, `change_merged`, `incident_detected`. What the vocabulary adds later is read the same
//! way. Events about changes, branches and repositories are of source `git`, incidents and tickets `manual`, the rest `ci`.

use serde_json::Value;

use super::super::change::{at, first_line, first_time, id_text, is_sha, last_part, text};
use super::super::draft::Draft;
use super::super::sink::{RecordSink, Refusal};
use super::Envelope;
use super::purl::{self, Artifact};
use crate::engine::decode::wire_format::{Format, Reader, Sign, WireFormat};
use crate::model::event::truncate;
use crate::model::{Event, Severity, Source, Timestamp};

pub(in crate::engine::decode) const FORMAT: &str = "cdevents";
pub(in crate::engine::decode) const WIRE: Format = &WireFormat { name: FORMAT, header: None, sign: Sign::Tree, reader: Reader::Envelope };

/// True for the types of this vocabulary, custom ones (`dev.cdeventsx.…`) too.
pub(super) fn is_type(kind: &str) -> bool {
    kind.starts_with("dev.cdevents.") || kind.starts_with("dev.cdeventsx.")
}

/// True for an event without an envelope around it.
pub(in crate::engine::decode) fn is_event(body: &Value) -> bool {
    text(body, &["context", "type"]).is_some_and(is_type)
}

/// What an event says, wherever its parts stood.
struct CdEvent<'v> {
    id: String,
    source: &'v str,
    /// `service`, `change` …
    subject: &'v str,
    /// `deployed`, `merged` …
    predicate: String,
    at: Timestamp,
    subject_id: String,
    content: &'v Value,
    body: &'v Value,
}

pub(in crate::engine::decode) fn decode_body(body: &Value, sink: &mut RecordSink<'_>) -> Result<(), Refusal> {
    let missing = |key: &str| Refusal::field(format!("{key} is missing"));
    let kind = text(body, &["context", "type"]).ok_or_else(|| missing("context.type"))?;
    let (subject, predicate) = names_of(kind)?;
    let at = first_time(body, &[&["context", "timestamp"]])?.or(sink.kafka_time);
    let event = CdEvent {
        id: id_text(body, &["context", "id"]).ok_or_else(|| missing("context.id"))?,
        source: text(body, &["context", "source"]).ok_or_else(|| missing("context.source"))?,
        subject,
        predicate,
        at: at.ok_or_else(|| Refusal::field("no context.timestamp, nor a Kafka timestamp"))?,
        subject_id: id_text(body, &["subject", "id"]).ok_or_else(|| missing("subject.id"))?,
        content: &body["subject"]["content"],
        body,
    };
    sink.event(event.to_event(), FORMAT);
    Ok(())
}

/// Reads the CDEvent that a CloudEvent carries; one whose data is only the subject's content is known by its envelope.
pub(super) fn decode_envelope(envelope: &Envelope<'_>, sink: &mut RecordSink<'_>) -> Result<(), Refusal> {
    if at(&envelope.data, &["context"]).is_some() {
        return decode_body(&envelope.data, sink);
    }
    let (subject, predicate) = names_of(&envelope.kind)?;
    let at = envelope.time.or(sink.kafka_time).ok_or_else(|| Refusal::field("no time, nor a Kafka timestamp"))?;
    let subject_id = envelope.subject.as_deref().ok_or_else(|| Refusal::field("neither context in the data nor a subject"))?;
    let content = super::super::change::at(&envelope.data, &["subject", "content"]).unwrap_or(&envelope.data);
    let event = CdEvent {
        id: envelope.id.to_string(),
        source: &envelope.source,
        subject,
        predicate,
        at,
        subject_id: subject_id.to_owned(),
        content,
        body: &envelope.data,
    };
    sink.event(event.to_event(), FORMAT);
    Ok(())
}

/// `service` and `deployed` of `dev.cdevents.service.deployed.0.2.0`.
fn names_of(kind: &str) -> Result<(&str, String), Refusal> {
    let rest = kind.strip_prefix("dev.cdevents.").or_else(|| kind.strip_prefix("dev.cdeventsx."));
    let mut parts = rest.unwrap_or_default().split('.');
    match (parts.next(), parts.next()) {
        (Some(subject), Some(predicate)) if !subject.is_empty() && !predicate.is_empty() => {
            Ok((subject, predicate.to_ascii_lowercase().replace(['_', '-'], "")))
        }
        _ => Err(Refusal::field(format!("context.type: {:?} names no subject and predicate", truncate(kind, 80)))),
    }
}

impl CdEvent<'_> {
    fn to_event(&self) -> Event {
        let (artifact_id, artifact) = self.artifact();
        let environment = self.environment();
        let service = self.service(artifact.as_ref());
        let title = self.title(artifact.as_ref(), environment.as_deref(), service.as_deref());
        let mut draft = Draft::new(self.at, self.event_source(), &self.event_type(), self.severity(), &title)
            .of_service(service.as_deref())
            .in_environment(environment.as_deref())
            .with_source_id(&format!("{} {} {}.{}", self.source, self.id, self.subject, self.predicate));
        draft.fact("artifact", artifact_id.as_deref());
        draft.fact("image", artifact.as_ref().and_then(|artifact| artifact.image.as_deref()));
        draft.fact("version", artifact.as_ref().and_then(|artifact| artifact.version.as_deref()));
        self.add_facts(&mut draft);
        draft.into_event()
    }

    fn add_facts(&self, draft: &mut Draft) {
        let content = self.content;
        draft.fact("repository", self.repository().as_deref());
        draft.fact("subject", Some(self.subject));
        draft.fact("predicate", Some(&self.predicate));
        draft.fact("subject_id", Some(&self.subject_id));
        match self.subject {
            "change" => {
                draft.fact("pull_request", Some(&self.subject_id));
                draft.fact("sha", Some(last_part(&self.subject_id)).filter(|id| is_sha(id)));
            }
            "branch" => draft.fact("branch", Some(last_part(&self.subject_id))),
            "build" | "pipelinerun" => draft.fact("run_id", Some(&self.subject_id)),
            // As alerts do: what is resolved opens nothing.
            "incident" => draft.fact("status", Some(&self.predicate)),
            _ => draft.fact("run_id", id_text(content, &["pipelineRun", "id"]).as_deref()),
        }
        let author = ["user", "creator", "updatedBy", "responder"].iter().find_map(|key| text(content, &[key]));
        draft.fact("author", author);
        draft.fact("message", text(content, &["description"]).or_else(|| text(content, &["summary"])));
        let url = ["uri", "url", "viewUrl", "approvalDetailsUrl"].iter().find_map(|key| text(content, &[key]));
        draft.fact("url", url);
        for key in ["outcome", "errors", "reason", "decision"] {
            draft.fact(key, text(content, &[key]));
        }
        draft.fact("chain_id", text(self.body, &["context", "chainId"]));
        draft.fact("event_source", Some(self.source));
        for (key, value) in [("links", at(self.body, &["context", "links"])), ("custom", at(self.body, &["customData"]))] {
            if let Some(value) = value.filter(|value| value.to_string().len() <= 4 * 1024) {
                draft.data.put(key, value.clone());
            }
        }
        draft.data.put_attached("content", content);
    }

    fn event_type(&self) -> String {
        match (self.subject, self.predicate.as_str()) {
            ("service", "deployed" | "upgraded") => "deployment".to_owned(),
            ("service", "rolledback") => "rollback".to_owned(),
            (subject, predicate) => format!("{subject}_{predicate}"),
        }
    }

    fn event_source(&self) -> Source {
        match self.subject {
            "change" | "branch" | "repository" => Source::Git,
            "incident" | "ticket" => Source::Manual,
            _ => Source::Ci,
        }
    }

    fn severity(&self) -> Severity {
        let has_failed = matches!(text(self.content, &["outcome"]), Some("failure" | "fail" | "failed" | "error"));
        match (self.subject, self.predicate.as_str()) {
            ("incident", "detected" | "reported") => Severity::High,
            ("service", "rolledback") => Severity::Medium,
            _ if has_failed => Severity::Medium,
            _ => Severity::Info,
        }
    }

    /// The artifact's name as it was sent, and its parts.
    fn artifact(&self) -> (Option<String>, Option<Artifact>) {
        let id = match self.subject {
            "artifact" => Some(self.subject_id.clone()),
            _ => id_text(self.content, &["artifactId"]).or_else(|| id_text(self.content, &["artifact", "id"])),
        };
        let parts = id.as_deref().and_then(purl::parse);
        (id, parts)
    }

    fn environment(&self) -> Option<String> {
        let content = self.content;
        match self.subject {
            "environment" => id_text(content, &["name"]).or_else(|| Some(self.subject_id.clone())),
            _ => id_text(content, &["environment", "id"]).or_else(|| id_text(content, &["environment"])),
        }
    }

    fn repository(&self) -> Option<String> {
        let content = self.content;
        match (self.subject, text(content, &["owner"]), text(content, &["name"])) {
            ("repository", Some(owner), Some(name)) => Some(format!("{owner}/{name}")),
            ("repository", None, Some(name)) => Some(name.to_owned()),
            ("repository", _, None) => Some(self.subject_id.clone()),
            _ => id_text(content, &["repository", "id"]).or_else(|| id_text(content, &["repository"])),
        }
    }

    /// Whose event it is: the service it names, else what its artifact or repository is called.
    fn service(&self, artifact: Option<&Artifact>) -> Option<String> {
        let of_id = |id: &str| purl::parse(id).map_or_else(|| last_part(id).to_owned(), |artifact| artifact.name);
        if self.subject == "service" {
            return Some(of_id(&self.subject_id));
        }
        let named = id_text(self.content, &["service", "id"]).or_else(|| id_text(self.content, &["service"]));
        named
            .map(|id| of_id(&id))
            .or_else(|| artifact.map(|artifact| artifact.name.clone()))
            .or_else(|| self.repository().map(|name| last_part(&name).to_owned()))
    }

    fn title(&self, artifact: Option<&Artifact>, environment: Option<&str>, service: Option<&str>) -> String {
        let content = self.content;
        let named = || {
            let paths: [&[&str]; 5] = [&["name"], &["pipelineName"], &["taskName"], &["testCase", "name"], &["testSuite", "name"]];
            paths.iter().find_map(|path| text(content, path)).map(str::to_owned)
        };
        let short = artifact.map(|artifact| match &artifact.version {
            Some(version) => format!("{}@{}", artifact.name, truncate(version, 19)),
            None => artifact.name.clone(),
        });
        let name = match self.subject {
            "service" => service.map(str::to_owned),
            "artifact" => short.clone(),
            _ => named(),
        };
        let name = name.unwrap_or_else(|| self.subject_id.clone());
        let verb = if self.predicate == "rolledback" { "rolled back" } else { &self.predicate };
        let of = match (self.subject, service) {
            ("incident" | "build" | "change" | "branch", Some(service)) => format!(" of {service}"),
            _ => String::new(),
        };
        let place = environment.filter(|_| self.subject != "environment").map(|name| format!(" in {name}")).unwrap_or_default();
        let to = short.filter(|_| self.subject == "service").map(|short| format!(" to {short}")).unwrap_or_default();
        let detail = ["description", "summary", "decision", "outcome", "reason"].iter().find_map(|key| text(content, &[key]));
        let detail = detail.map(|detail| format!(": {}", first_line(detail))).unwrap_or_default();
        format!("{} {name}{of} {verb}{place}{to}{detail}", subject_words(self.subject))
    }
}

fn subject_words(subject: &str) -> String {
    let known = match subject {
        "pipelinerun" => "Pipeline run",
        "taskrun" => "Task run",
        "testcaserun" => "Test case run",
        "testsuiterun" => "Test suite run",
        "testoutput" => "Test output",
        _ => "",
    };
    if !known.is_empty() {
        return known.to_owned();
    }
    let mut letters = subject.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}
