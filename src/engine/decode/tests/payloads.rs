//! Payloads that nobody here wrote; skipped where they are not at hand.

use std::fs;
use std::path::{Path, PathBuf};

use super::*;

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

#[test]
fn github_payloads_become_events_or_say_why_not() {
    let Some(root) = folder("github") else { return };
    let read = ["push", "deployment", "deployment_status", "workflow_run"];
    let mut seen = 0;
    for kind in fs::read_dir(&root).unwrap().map(|entry| entry.unwrap().path()) {
        let name = kind.file_name().unwrap().to_str().unwrap().to_owned();
        for file in json_files(&kind) {
            let value = fs::read(&file).unwrap();
            let header: &[(&str, Option<&[u8]>)] = &[("X-GitHub-Event", Some(name.as_bytes()))];
            for headers in [header, &[]] {
                let batch = decode_one(DecodeOptions::default(), Source::Git, Some(&value), headers, KAFKA_TIME);
                assert_books(&batch);
                if read.contains(&name.as_str()) {
                    assert!(!batch.events.is_empty() && batch.rejections.is_empty(), "{}: {:?}", file.display(), batch.rejections);
                    assert!(
                        batch.events.iter().all(|event| event.service.is_some() && event.provenance.as_ref().unwrap().format == "github")
                    );
                    seen += 1;
                } else {
                    assert_eq!(batch.items(), 0, "{}", file.display());
                    assert!(only_reason(&batch).1.len() > 10);
                }
            }
        }
    }
    assert!(seen >= 4, "{seen}");
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
fn every_other_payload_is_refused_with_a_reason() {
    let Some(root) = folder("cdevents") else { return };
    for file in json_files(&root) {
        let value = fs::read(&file).unwrap();
        for source in Source::ALL {
            let batch = decode_values(source, "auto", &[&value]);
            assert_eq!(batch.items() + batch.rejections.len(), 1, "{}", file.display());
        }
    }
}
