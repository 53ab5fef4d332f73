//! The rules of the house: who may know whom, and what never stands where. Read from the sources themselves.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fs;
use std::path::{Path, PathBuf};

/// room → rooms it may import. A room may always import itself.
const MAY_KNOW: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("engine", &["model"]),
    ("clock", &["model"]),
    ("telemetry", &["model", "clock"]),
    ("kafka", &["model", "clock", "telemetry"]),
    ("store", &["model", "clock", "telemetry"]),
    ("web", &["model", "clock", "telemetry"]),
    ("outlets", &["model", "clock", "telemetry"]),
    ("simulator", &["model", "clock", "telemetry"]),
    ("evaluation", &["model", "clock", "telemetry"]),
    ("actors", &["model", "engine", "clock", "telemetry"]),
    // Each part's own Options, and nothing else of it: see `settings_take_only_options`.
    ("settings", &["model", "engine", "kafka", "store", "web", "outlets", "telemetry", "actors", "simulator"]),
    (
        "app",
        &["model", "engine", "clock", "telemetry", "kafka", "store", "web", "outlets", "actors", "settings", "simulator", "evaluation"],
    ),
    ("commands", &["model", "clock", "app", "settings", "simulator", "evaluation", "telemetry", "kafka"]),
    ("lib", &[]),
    ("main", &["commands"]),
];

/// (room, word, why) that must not occur.
const NEVER: &[(&str, &str, &str)] = &[
    ("model", "tokio", "nouns name no runtime"),
    ("model", "actix", "nouns name no runtime"),
    ("model", "rdkafka", "nouns name no adapter"),
    ("model", "rusqlite", "nouns name no adapter"),
    ("model", "warp", "nouns name no adapter"),
    ("model", "SystemTime", "nouns read no clock"),
    ("model", "HashMap", "hash order is not an answer"),
    ("model", "async fn", "nouns are synchronous"),
    ("engine", "tokio", "decisions name no runtime"),
    ("engine", "actix", "decisions name no runtime"),
    ("engine", "rdkafka", "decisions name no adapter"),
    ("engine", "rusqlite", "decisions name no adapter"),
    ("engine", "warp", "decisions name no adapter"),
    ("engine", "async fn", "decisions are synchronous"),
    ("engine", "Instant::now", "time is an argument"),
    ("engine", "SystemTime", "time is an argument"),
    ("engine", "rand::", "the same input gives the same answer"),
    ("engine", "std::collections::HashMap", "its order differs from run to run"),
    ("engine", "panic!", "bad input is a value with a reason"),
    ("engine", "unreachable!", "bad input is a value with a reason"),
    ("engine", "std::fs", "decisions do no I/O"),
    ("engine", "println!", "decisions do no I/O"),
    ("actors", "serde_json", "an actor parses no bytes"),
    ("actors", "rusqlite", "an actor writes no SQL"),
    ("actors", "SELECT ", "an actor writes no SQL"),
    ("actors", "statrs", "an actor does no statistics"),
    ("", "unbounded_channel", "every queue has a bound"),
    ("", "unbounded()", "every queue has a bound"),
    ("", "todo!", "nothing is left open"),
];

/// The only file with `unsafe`, which takes records in batches.
const UNSAFE_ROOM: &str = "kafka";

struct Source {
    path: String,
    room: String,
    /// Without comments and without the unit tests at its end.
    code: String,
    /// `code` with string literals emptied.
    words: String,
}

fn source(path: &str, text: &str) -> Source {
    let room = path.trim_start_matches("src/").split(['/', '.']).next().unwrap_or_default().to_owned();
    let text = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
    let (code, words) = strip(text);
    Source { path: path.to_owned(), room, code, words }
}

/// (text without comments, the same with string literals emptied).
fn strip(text: &str) -> (String, String) {
    let (mut code, mut words) = (String::new(), String::new());
    let mut rest = text;
    while let Some(character) = rest.chars().next() {
        if rest.starts_with("//") {
            rest = rest.find('\n').map_or("", |end| &rest[end..]);
        } else if rest.starts_with("/*") {
            rest = rest.find("*/").map_or("", |end| &rest[end + 2..]);
        } else if character == '"' {
            let end = end_of_literal(rest);
            code.push_str(&rest[..end]);
            words.push_str("\"\"");
            rest = &rest[end..];
        } else if rest.starts_with("'\"'") {
            rest = &rest[3..];
        } else {
            code.push(character);
            words.push(character);
            rest = &rest[character.len_utf8()..];
        }
    }
    (code, words)
}

fn end_of_literal(text: &str) -> usize {
    let mut escaped = false;
    for (index, character) in text.char_indices().skip(1) {
        match character {
            '\\' if !escaped => escaped = true,
            '"' if !escaped => return index + 1,
            _ => escaped = false,
        }
    }
    text.len()
}

fn imports(words: &str) -> Vec<String> {
    let name = |rest: &str| rest.chars().take_while(|character| character.is_alphanumeric() || *character == '_').collect::<String>();
    words.split("crate::").skip(1).map(name).filter(|name| !name.is_empty()).collect()
}

fn violations(source: &Source) -> Vec<String> {
    let mut found = Vec::new();
    let Some((_, allowed)) = MAY_KNOW.iter().find(|(room, _)| *room == source.room) else {
        return vec![format!("{}: no room of the house is called `{}`", source.path, source.room)];
    };
    for import in imports(&source.words) {
        let is_room = MAY_KNOW.iter().any(|(room, _)| *room == import);
        if is_room && import != source.room && !allowed.contains(&import.as_str()) {
            found.push(format!("{}: `{}` must not know `{import}`", source.path, source.room));
        }
    }
    for (room, word, why) in NEVER {
        if (room.is_empty() || *room == source.room) && source.words.contains(word) {
            found.push(format!("{}: `{word}` ({why})", source.path));
        }
    }
    if source.words.contains("unsafe ") && source.room != UNSAFE_ROOM {
        found.push(format!("{}: `unsafe` outside kafka/", source.path));
    }
    let is_file = |rest: &str| ["db\"", "toml\""].iter().any(|file| rest.starts_with(file));
    if source.room != "telemetry" && source.code.split("\"whydunit.").skip(1).any(|rest| !is_file(rest)) {
        found.push(format!("{}: a metric name outside telemetry/", source.path));
    }
    found
}

fn project() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn rust_files(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a readable folder") {
        let path = entry.expect("a readable entry").path();
        let is_test = path.ends_with("tests") || path.ends_with("tests.rs");
        if is_test || path.ends_with("canvas") {
            continue;
        }
        if path.is_dir() {
            rust_files(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

fn sources() -> Vec<Source> {
    let mut files = Vec::new();
    rust_files(&project().join("src"), &mut files);
    files.sort();
    let read = |path: &PathBuf| {
        let relative = path.strip_prefix(project()).expect("inside the project").to_string_lossy().into_owned();
        source(&relative, &fs::read_to_string(path).expect("a readable source"))
    };
    files.iter().map(read).collect()
}

#[test]
fn every_room_knows_only_whom_it_may() {
    let found: Vec<_> = sources().iter().flat_map(violations).collect();
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

#[test]
fn unsafe_stands_in_one_file() {
    let files: Vec<_> = sources().into_iter().filter(|source| source.words.contains("unsafe ")).map(|source| source.path).collect();
    assert!(files.len() <= 1, "unsafe in {files:?}");
}

#[test]
fn only_app_joins_stages_and_places() {
    let joins = |source: &Source| {
        let names = imports(&source.words);
        names.iter().any(|name| name == "actors") && names.iter().any(|name| ["kafka", "store", "web", "outlets"].contains(&name.as_str()))
    };
    let files: Vec<_> = sources().into_iter().filter(joins).map(|source| source.path).collect();
    assert!(files.iter().all(|path| path.starts_with("src/app") || path == "src/settings.rs"), "{files:?}");
}

#[test]
fn the_top_level_is_what_the_user_fixed() {
    const TOP: &[&str] =
        &["Cargo.toml", "Cargo.lock", "src", "config", "docker", "tests", "benches", "README.md", "Makefile", "LICENSE", "target"];
    let entries = fs::read_dir(project()).expect("the project's folder");
    let names: Vec<_> = entries.map(|entry| entry.expect("a readable entry").file_name().to_string_lossy().into_owned()).collect();
    let strangers: Vec<_> = names.iter().filter(|name| !name.starts_with('.') && !TOP.contains(&name.as_str())).collect();
    assert!(strangers.is_empty(), "{strangers:?}");
}

/// What the README promises to who adds a wire format: its own file, and two lines in one other.
#[test]
fn a_wire_format_is_one_file_and_its_lines_in_one_list() {
    for format in ["alertmanager", "argocd", "cri", "kubernetes"] {
        let names = |source: &&Source| source.words.split(|c: char| !(c.is_alphanumeric() || c == '_')).any(|word| word == format);
        let is_own =
            |path: &str| path == format!("src/engine/decode/{format}.rs") || path.starts_with(&format!("src/engine/decode/{format}/"));
        let sources = sources();
        // A room of its own may be of the same program: what is told to an Alertmanager is no format.
        let elsewhere: Vec<_> =
            sources.iter().filter(|source| source.room == "engine").filter(names).filter(|source| !is_own(&source.path)).collect();
        assert_eq!(elsewhere.iter().map(|source| source.path.as_str()).collect::<Vec<_>>(), ["src/engine/decode/mod.rs"], "{format}");
        let mentions =
            elsewhere[0].code.matches(&format!("mod {format};")).count() + elsewhere[0].code.matches(&format!("{format}::WIRE")).count();
        assert_eq!(mentions, 2, "{format}: its `mod` and its place in FORMATS");
    }
}

#[test]
fn a_forbidden_import_is_found() {
    let found = |path: &str, text: &str| violations(&source(path, text)).len();
    assert_eq!(found("src/engine/rank/mod.rs", "use crate::model::Event;"), 0);
    assert_eq!(found("src/engine/rank/mod.rs", "use crate::store::Reader;"), 1);
    assert_eq!(found("src/engine/rank/mod.rs", "fn f() { let t = std::time::Instant::now(); }"), 1);
    assert_eq!(found("src/store/writer.rs", "use crate::{model::Event};\nuse crate::web::Hub;"), 1);
    assert_eq!(found("src/kafka/client.rs", "use crate::actors::connector;"), 1);
    assert_eq!(found("src/web/live.rs", "let (a, b) = tokio::sync::mpsc::unbounded_channel();"), 1);
    assert_eq!(found("src/web/live.rs", "meter.u64_counter(\"whydunit.live\")"), 1);
    assert_eq!(found("src/helpers.rs", ""), 1);
}

#[test]
fn comments_texts_and_unit_tests_are_not_code() {
    let text = "// tokio\n/* actix */ const A: &str = \"tokio \\\" panic!\";\n#[cfg(test)]\nmod tests { use crate::store::X; }";
    assert!(violations(&source("src/engine/a.rs", text)).is_empty());
}
