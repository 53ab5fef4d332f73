//! Payloads that nobody here wrote; skipped where they are not at hand.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::*;
use crate::model::Event;

fn folder(name: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/payloads").join(name);
    if !path.is_dir() {
        println!("skipped: no ../shared/data/payloads/{name}");
        return None;
    }
    Some(path)
}

fn json_files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "json"));
    files
}

/// What a reader expects of any event of a change: whose it is is asked where the payload says so.
fn assert_is_readable(file: &Path, event: &Event) {
    let name = file.display();
    assert!(!event.title.trim().is_empty() && !event.title.contains("null"), "{name}: {:?}", event.title);
    assert!(!event.event_type.is_empty() && event.source_id.is_some() && event.data.is_object(), "{name}: {event:?}");
    assert!(event.timestamp > Timestamp::from_seconds(1_500_000_000), "{name}: {}", event.timestamp);
    assert!(matches!(event.source, Source::Git | Source::Ci | Source::Manual), "{name}");
}

#[test]
fn every_github_payload_becomes_events_with_or_without_its_header() {
    let Some(root) = folder("github") else { return };
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for kind in fs::read_dir(&root).unwrap().map(|entry| entry.unwrap().path()) {
        let name = kind.file_name().unwrap().to_str().unwrap().to_owned();
        for file in json_files(&kind) {
            let value = fs::read(&file).unwrap();
            let header: &[(&str, Option<&[u8]>)] = &[("X-GitHub-Event", Some(name.as_bytes()))];
            let named = decode_value(DecodeOptions::default(), Source::Git, Some(&value), header, KAFKA_TIME);
            let bare = decode_value(DecodeOptions::default(), Source::Git, Some(&value), &[], KAFKA_TIME);
            for batch in [&named, &bare] {
                assert_books(batch);
                assert!(!batch.events.is_empty() && batch.rejections.is_empty(), "{}: {:?}", file.display(), batch.rejections);
            }
            assert_eq!(named.events, bare.events, "{}: the header and the shape disagree", file.display());
            for event in &named.events {
                assert_is_readable(&file, event);
                assert!(event.service.is_some() && event.data["repository"].as_str().is_some_and(|name| name.contains('/')));
                assert_eq!(event.provenance.as_ref().unwrap().format, "github");
                *counts.entry(format!("{name} → {}", event.event_type)).or_default() += 1;
            }
        }
    }
    println!("{counts:#?}");
    for name in [
        "push",
        "create",
        "pull_request",
        "release",
        "deployment",
        "deployment_status",
        "workflow_run",
        "workflow_job",
        "check_run",
        "check_suite",
        "status",
    ] {
        assert!(counts.keys().any(|key| key.starts_with(&format!("{name} "))), "{name}: {counts:?}");
    }
}

#[test]
fn every_cdevents_payload_becomes_the_event_a_reader_expects() {
    let Some(root) = folder("cdevents") else { return };
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for file in json_files(&root) {
        let value = fs::read(&file).unwrap();
        let batch = decode_values(Source::Ci, "auto", &[&value]);
        assert!(batch.rejections.is_empty(), "{}: {:?}", file.display(), batch.rejections);
        let event = &batch.events[0];
        assert_is_readable(&file, event);
        println!(
            "{:<28} {:<8} {:<7} {:<10} {:<8} {}",
            event.event_type,
            event.source.as_str(),
            format!("{:?}", event.severity),
            event.service.as_deref().unwrap_or("-"),
            event.environment.as_deref().unwrap_or("-"),
            event.title
        );
        *counts.entry(event.event_type.clone()).or_default() += 1;
        let stem = file.file_stem().unwrap().to_str().unwrap();
        let expected = match stem {
            "service_deployed" | "service_upgraded" => "deployment",
            "service_rolledback" => "rollback",
            other => other,
        };
        assert_eq!(event.event_type, expected);
        let body: serde_json::Value = serde_json::from_slice(&value).unwrap();
        let content = &body["subject"]["content"];
        if let Some(environment) = content["environment"]["id"].as_str() {
            assert_eq!(event.environment.as_deref(), Some(environment), "{stem}");
        }
        if content["artifactId"].is_string() || content["repository"].is_object() || stem.starts_with("service") {
            assert!(event.service.is_some(), "{stem}");
        }
        if stem.starts_with("incident") {
            assert_eq!(event.service.as_deref(), Some("myApp"));
        }
    }
    println!("{counts:#?}");
    assert!(counts.len() >= 20, "{counts:?}");
}

#[test]
fn otlp_json_examples_are_read_whole() {
    let Some(root) = folder("otlp") else { return };
    for (file, source, items) in [
        ("logs.json", Source::Logs, 1),
        ("events.json", Source::Logs, 1),
        ("trace.json", Source::Traces, 1),
        ("metrics.json", Source::Metrics, 4),
    ] {
        let value = fs::read(root.join(file)).unwrap();
        let batch = decode_values(source, "auto", &[&value]);
        assert!(batch.rejections.is_empty(), "{file}: {:?}", batch.rejections);
        assert!(batch.items() >= items, "{file}: {}", batch.items());
        let entity = batch
            .logs
            .iter()
            .map(|line| line.entity)
            .chain(batch.points.iter().map(|point| point.entity))
            .chain(batch.spans.iter().map(|span| span.entity))
            .next();
        assert_eq!(text(&batch, entity.unwrap().service), "my.service");
    }
}

#[test]
fn payloads_of_changes_on_topics_of_telemetry_are_refused_or_lines() {
    let Some(root) = folder("cdevents") else { return };
    for file in json_files(&root) {
        let value = fs::read(&file).unwrap();
        for source in Source::ALL {
            let batch = decode_values(source, "auto", &[&value]);
            assert_eq!(batch.items() + batch.rejections.len(), 1, "{}", file.display());
        }
    }
}
