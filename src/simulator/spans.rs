//! Finished spans as the collector's Kafka exporter writes them: OTLP protobuf, grouped by process.

use std::collections::BTreeMap;
use std::sync::Arc;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::trace::v1::span::{Event, SpanKind};
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};
use prost::Message;

use super::items::{Role, SpanItem};
use super::otlp::{resource, scope, text, whole};
use super::topology::{Kind, Plan};
use super::world::{Failure, Process, World};

pub(super) fn encode(plan: &Plan, world: &World, spans: &[SpanItem]) -> Vec<u8> {
    let mut by_process: BTreeMap<(usize, u32), (Arc<Process>, Vec<Span>)> = BTreeMap::new();
    for item in spans {
        let key = (item.process.pod, item.process.generation);
        by_process.entry(key).or_insert_with(|| (Arc::clone(&item.process), Vec::new())).1.push(span(plan, world, item));
    }
    let resource_spans = by_process
        .into_values()
        .map(|(process, spans)| ResourceSpans {
            resource: resource(plan, &process),
            scope_spans: vec![ScopeSpans { scope: scope("shop/http"), spans, ..ScopeSpans::default() }],
            ..ResourceSpans::default()
        })
        .collect();
    ExportTraceServiceRequest { resource_spans }.encode_to_vec()
}

fn span(plan: &Plan, world: &World, item: &SpanItem) -> Span {
    Span {
        trace_id: item.trace.to_be_bytes().to_vec(),
        span_id: item.id.to_be_bytes().to_vec(),
        parent_span_id: if item.parent == 0 { Vec::new() } else { item.parent.to_be_bytes().to_vec() },
        flags: 1,
        name: name(plan, item),
        kind: kind(item.role) as i32,
        start_time_unix_nano: item.start.max(0) as u64,
        end_time_unix_nano: item.end.max(0) as u64,
        attributes: attributes(plan, world, item),
        events: events(item),
        status: item.failure.as_ref().map(|failure| Status { message: failure.message.clone(), code: StatusCode::Error as i32 }),
        ..Span::default()
    }
}

fn kind(role: Role) -> SpanKind {
    match role {
        Role::Server => SpanKind::Server,
        Role::Client => SpanKind::Client,
        Role::Internal => SpanKind::Internal,
        Role::Producer => SpanKind::Producer,
        Role::Consumer => SpanKind::Consumer,
    }
}

fn name(plan: &Plan, item: &SpanItem) -> String {
    let operation = &plan.operations[item.operation];
    let service = &plan.services[operation.service];
    match item.role {
        Role::Producer => format!("{} publish", topic(&operation.name)),
        Role::Consumer => format!("{} process", topic(&operation.name)),
        Role::Internal => operation.name.to_string(),
        _ if item.path.is_some() || service.kind != Kind::Service => operation.name.to_string(),
        _ => format!("{}/{}", service.name, operation.name),
    }
}

fn topic(operation: &str) -> String {
    operation.trim_start_matches("Send").to_lowercase() + "s"
}

fn attributes(plan: &Plan, world: &World, item: &SpanItem) -> Vec<KeyValue> {
    let operation = &plan.operations[item.operation];
    let service = &plan.services[operation.service];
    let failed_with = item.failure.as_ref();
    let mut attributes = match item.role {
        Role::Producer | Role::Consumer => {
            vec![text("messaging.system", "kafka"), text("messaging.destination.name", &topic(&operation.name))]
        }
        Role::Internal => Vec::new(),
        _ if service.kind == Kind::Store => {
            let mut store = vec![text("db.system.name", service.system.as_deref().unwrap_or_default())];
            if let Some(statement) = &operation.statement {
                store.push(text("db.query.text", statement));
            }
            store
        }
        _ if service.kind == Kind::Outside => {
            let (method, path) = operation.name.split_once(' ').unwrap_or(("GET", &operation.name));
            vec![text("http.request.method", method), text("url.full", &format!("https://{}{path}", service.address))]
        }
        _ => match &item.path {
            Some(path) => http(&operation.name, path, failed_with),
            None => vec![text("rpc.system", "grpc"), text("rpc.service", &service.name), text("rpc.method", &operation.name)],
        },
    };
    if item.role == Role::Client {
        attributes.push(text("peer.service", &service.name));
        let address = match item.peer {
            Some(pod) if service.kind == Kind::Store => format!("{}.{}", world.pods[pod].process.name, service.address),
            _ => service.address.to_string(),
        };
        attributes.push(text("server.address", &address));
    }
    if let Some(failure) = failed_with {
        attributes.push(text("error.type", &failure.error));
    }
    attributes
}

fn http(route: &str, path: &str, failure: Option<&Failure>) -> Vec<KeyValue> {
    let (method, route) = route.split_once(' ').unwrap_or(("GET", route));
    vec![
        text("http.request.method", method),
        text("http.route", route),
        text("url.path", path),
        whole("http.response.status_code", failure.map_or(200, |failure| i64::from(failure.status))),
    ]
}

/// An exception is recorded where it was thrown and seen: not where nobody wrote a line.
fn events(item: &SpanItem) -> Vec<Event> {
    let Some(failure) = item.failure.as_ref().filter(|failure| failure.logged && item.role != Role::Client) else { return Vec::new() };
    vec![Event {
        time_unix_nano: item.end.max(0) as u64,
        name: "exception".to_owned(),
        attributes: vec![text("exception.type", &failure.error), text("exception.message", &failure.message)],
        ..Event::default()
    }]
}
