//! What OTLP spans, logs and metrics have in common: attributes and resources.

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::resource::v1::Resource;

use super::topology::{Kind, Language, Plan};
use super::world::Process;

pub(super) fn text(key: &str, value: &str) -> KeyValue {
    attribute(key, Value::StringValue(value.to_owned()))
}

pub(super) fn whole(key: &str, value: i64) -> KeyValue {
    attribute(key, Value::IntValue(value))
}

fn attribute(key: &str, value: Value) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
}

pub(super) fn scope(name: &str) -> Option<InstrumentationScope> {
    Some(InstrumentationScope { name: name.to_owned(), ..InstrumentationScope::default() })
}

/// Who speaks: a process of a service, on a host.
pub(super) fn resource(plan: &Plan, process: &Process) -> Option<Resource> {
    let pod = &plan.pods[process.pod];
    let service = &plan.services[pod.service];
    let mut attributes = vec![
        text("service.name", &service.name),
        text("service.version", &process.version),
        text("service.instance.id", &process.name),
        text("deployment.environment.name", "production"),
        text("host.name", &plan.nodes[pod.node]),
    ];
    if service.kind == Kind::Service {
        attributes.push(text("telemetry.sdk.language", language(service.language)));
    }
    Some(Resource { attributes, ..Resource::default() })
}

fn language(language: Language) -> &'static str {
    match language {
        Language::Go => "go",
        Language::Java => "java",
        Language::Node => "nodejs",
        Language::Python => "python",
    }
}
