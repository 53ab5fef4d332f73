//! Log lines as their shippers write them: ECS JSON with dotted keys, ECS JSON with nested objects, OTLP protobuf.

use std::collections::BTreeMap;
use std::sync::Arc;

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::common::v1::AnyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use prost::Message;
use serde::Serialize;

use super::items::LineItem;
use super::otlp::{resource, scope, text};
use super::topology::{Language, Level, Plan};
use super::world::Process;
use crate::model::Timestamp;

/// One line as ECS JSON with dotted keys.
pub(super) fn encode_flat(plan: &Plan, line: &LineItem) -> Vec<u8> {
    let pod = &plan.pods[line.process.pod];
    let service = &plan.services[pod.service];
    let access = line.access.as_deref();
    json(&FlatLine {
        timestamp: stamp(line.at),
        level: level_name(line.level),
        message: &line.message,
        ecs_version: "8.11",
        service: &service.name,
        version: &line.process.version,
        environment: "production",
        instance: &line.process.name,
        host: &plan.nodes[pod.node],
        trace: trace_text(line),
        span: span_text(line),
        error_type: line.failure.as_ref().map(|failure| &*failure.error),
        error_message: line.failure.as_ref().map(|failure| failure.message.as_str()),
        stack: stack(service.language, &service.name, line),
        method: access.map(|access| access.method),
        path: access.map(|access| &*access.path),
        status: access.map(|access| access.status),
        duration: access.map(|access| access.duration_ns),
    })
}

/// One line as ECS JSON with nested objects.
pub(super) fn encode_nested(plan: &Plan, line: &LineItem) -> Vec<u8> {
    let pod = &plan.pods[line.process.pod];
    let service = &plan.services[pod.service];
    json(&NestedLine {
        timestamp: stamp(line.at),
        message: &line.message,
        log: NestedLog { level: level_name(line.level) },
        service: NestedService {
            name: &service.name,
            version: &line.process.version,
            environment: "production",
            node: Named { name: &line.process.name },
        },
        host: Named { name: &plan.nodes[pod.node] },
        trace: trace_text(line).map(|id| Identified { id }),
        span: span_text(line).map(|id| Identified { id }),
        error: line.failure.as_ref().map(|failure| NestedError {
            kind: &failure.error,
            message: &failure.message,
            stack: stack(service.language, &service.name, line),
        }),
    })
}

/// Lines of several processes as one OTLP export.
pub(super) fn encode_otlp(plan: &Plan, lines: &[LineItem], sent: i64) -> Vec<u8> {
    let mut by_process: BTreeMap<(usize, u32), (Arc<Process>, Vec<LogRecord>)> = BTreeMap::new();
    for line in lines {
        let key = (line.process.pod, line.process.generation);
        by_process.entry(key).or_insert_with(|| (Arc::clone(&line.process), Vec::new())).1.push(otlp_line(plan, line, sent));
    }
    let resource_logs = by_process
        .into_values()
        .map(|(process, log_records)| ResourceLogs {
            resource: resource(plan, &process),
            scope_logs: vec![ScopeLogs { scope: scope("shop/log"), log_records, ..ScopeLogs::default() }],
            ..ResourceLogs::default()
        })
        .collect();
    ExportLogsServiceRequest { resource_logs }.encode_to_vec()
}

fn otlp_line(plan: &Plan, line: &LineItem, sent: i64) -> LogRecord {
    let service = &plan.services[plan.pods[line.process.pod].service];
    let (severity_number, severity_text) = match line.level {
        Level::Debug => (5, "DEBUG"),
        Level::Info => (9, "INFO"),
        Level::Warn => (13, "WARN"),
        Level::Error => (17, "ERROR"),
    };
    let mut attributes = Vec::new();
    if let Some(failure) = &line.failure {
        attributes.push(text("exception.type", &failure.error));
        attributes.push(text("exception.message", &failure.message));
    }
    if let Some(stack) = stack(service.language, &service.name, line) {
        attributes.push(text("exception.stacktrace", &stack));
    }
    LogRecord {
        time_unix_nano: line.at.max(0) as u64,
        observed_time_unix_nano: sent.max(0) as u64,
        severity_number,
        severity_text: severity_text.to_owned(),
        body: Some(AnyValue { value: Some(Value::StringValue(line.message.clone())) }),
        attributes,
        flags: 1,
        trace_id: if line.trace == 0 { Vec::new() } else { line.trace.to_be_bytes().to_vec() },
        span_id: if line.span == 0 { Vec::new() } else { line.span.to_be_bytes().to_vec() },
        ..LogRecord::default()
    }
}

/// Serialising plain structs of texts and numbers cannot fail; an empty record would be seen at once.
fn json<T: Serialize>(line: &T) -> Vec<u8> {
    serde_json::to_vec(line).unwrap_or_default()
}

pub(super) fn stamp(at: i64) -> Timestamp {
    Timestamp::from_millis(at / 1_000_000)
}

fn level_name(level: Level) -> &'static str {
    match level {
        Level::Debug => "DEBUG",
        Level::Info => "INFO",
        Level::Warn => "WARN",
        Level::Error => "ERROR",
    }
}

fn trace_text(line: &LineItem) -> Option<String> {
    (line.trace != 0).then(|| format!("{:032x}", line.trace))
}

fn span_text(line: &LineItem) -> Option<String> {
    (line.span != 0).then(|| format!("{:016x}", line.span))
}

/// A stack trace in the manner of the service's language.
fn stack(language: Language, service: &str, line: &LineItem) -> Option<String> {
    let operation = line.stack.as_deref()?;
    let failure = line.failure.as_ref()?;
    let (error, message) = (&failure.error, &failure.message);
    let name: String = operation.chars().filter(char::is_ascii_alphanumeric).collect();
    // The same place in the code has the same line number.
    let number = 20 + operation.bytes().map(u32::from).sum::<u32>() % 300;
    Some(match language {
        Language::Java => format!(
            "{error}: {message}\n\tat shop.{service}.{name}Handler.handle({name}Handler.java:{number})\n\tat shop.rpc.Server.dispatch(Server.java:118)\n\tat java.base/java.lang.Thread.run(Thread.java:1583)"
        ),
        Language::Go => format!(
            "{error}: {message}\nshop/{service}.(*Server).{name}\n\t/src/{service}/server.go:{number}\nshop/rpc.(*Server).serve\n\t/src/rpc/server.go:88"
        ),
        Language::Node => {
            format!("{error}: {message}\n    at {name} (/app/src/{service}.js:{number}:11)\n    at async serve (/app/src/rpc.js:64:5)")
        }
        Language::Python => format!(
            "Traceback (most recent call last):\n  File \"/app/{service}/rpc.py\", line 57, in serve\n  File \"/app/{service}/handlers.py\", line {number}, in {name}\n{error}: {message}"
        ),
    })
}

#[derive(Serialize)]
struct FlatLine<'a> {
    #[serde(rename = "@timestamp")]
    timestamp: Timestamp,
    #[serde(rename = "log.level")]
    level: &'static str,
    message: &'a str,
    #[serde(rename = "ecs.version")]
    ecs_version: &'static str,
    #[serde(rename = "service.name")]
    service: &'a str,
    #[serde(rename = "service.version")]
    version: &'a str,
    #[serde(rename = "service.environment")]
    environment: &'static str,
    #[serde(rename = "service.node.name")]
    instance: &'a str,
    #[serde(rename = "host.name")]
    host: &'a str,
    #[serde(rename = "trace.id", skip_serializing_if = "Option::is_none")]
    trace: Option<String>,
    #[serde(rename = "span.id", skip_serializing_if = "Option::is_none")]
    span: Option<String>,
    #[serde(rename = "error.type", skip_serializing_if = "Option::is_none")]
    error_type: Option<&'a str>,
    #[serde(rename = "error.message", skip_serializing_if = "Option::is_none")]
    error_message: Option<&'a str>,
    #[serde(rename = "error.stack_trace", skip_serializing_if = "Option::is_none")]
    stack: Option<String>,
    #[serde(rename = "http.request.method", skip_serializing_if = "Option::is_none")]
    method: Option<&'a str>,
    #[serde(rename = "url.path", skip_serializing_if = "Option::is_none")]
    path: Option<&'a str>,
    #[serde(rename = "http.response.status_code", skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    #[serde(rename = "event.duration", skip_serializing_if = "Option::is_none")]
    duration: Option<i64>,
}

#[derive(Serialize)]
struct NestedLine<'a> {
    #[serde(rename = "@timestamp")]
    timestamp: Timestamp,
    message: &'a str,
    log: NestedLog,
    service: NestedService<'a>,
    host: Named<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace: Option<Identified>,
    #[serde(skip_serializing_if = "Option::is_none")]
    span: Option<Identified>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<NestedError<'a>>,
}

#[derive(Serialize)]
struct NestedLog {
    level: &'static str,
}

#[derive(Serialize)]
struct NestedService<'a> {
    name: &'a str,
    version: &'a str,
    environment: &'static str,
    node: Named<'a>,
}

#[derive(Serialize)]
struct Named<'a> {
    name: &'a str,
}

#[derive(Serialize)]
struct Identified {
    id: String,
}

#[derive(Serialize)]
struct NestedError<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    message: &'a str,
    #[serde(rename = "stack_trace", skip_serializing_if = "Option::is_none")]
    stack: Option<String>,
}
