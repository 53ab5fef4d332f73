//! What change events have in common: reading loose JSON, and how much of it is kept.

use serde_json::{Map, Value};

use super::instant;
use super::json_logs::not_json;
use super::sink::{RecordSink, Refusal};
use crate::model::Timestamp;
use crate::model::event::truncate;

/// Bytes kept of a unified diff.
const MAX_DIFF: usize = 32 * 1024;
/// Characters kept of a commit message or description.
const MAX_TEXT: usize = 4_000;
/// Changed files kept by name.
const MAX_FILES: usize = 200;
/// Bytes of an event's data as JSON.
const MAX_DATA: usize = 64 * 1024;
/// Bytes kept of what a source attaches freely.
const MAX_ATTACHED: usize = 12 * 1024;

pub(super) fn parse(value: &[u8]) -> Result<Value, Refusal> {
    serde_json::from_slice(value).map_err(not_json)
}

/// A non-empty text at a path of keys.
pub(super) fn text<'v>(value: &'v Value, path: &[&str]) -> Option<&'v str> {
    path.iter().try_fold(value, |value, key| value.get(key))?.as_str().map(str::trim).filter(|text| !text.is_empty())
}

/// A text or number at a path of keys, as text.
pub(super) fn id_text(value: &Value, path: &[&str]) -> Option<String> {
    match path.iter().try_fold(value, |value, key| value.get(key))? {
        Value::String(text) if !text.trim().is_empty() => Some(truncate(text.trim(), 200)),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// The value at a path of keys, unless it is null.
pub(super) fn at<'v>(value: &'v Value, path: &[&str]) -> Option<&'v Value> {
    path.iter().try_fold(value, |value, key| value.get(key)).filter(|value| !value.is_null())
}

/// A true flag.
pub(super) fn is_set(value: &Value, key: &str) -> bool {
    value.get(key).and_then(Value::as_bool).unwrap_or(false)
}

/// The items of a list, none where there is no list.
pub(super) fn list<'v>(value: &'v Value, path: &[&str]) -> &'v [Value] {
    at(value, path).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// The texts of a list.
pub(super) fn names<'v>(value: &'v Value, key: &str) -> impl Iterator<Item = &'v str> {
    list(value, &[key]).iter().filter_map(Value::as_str)
}

/// A time in any spelling; an error names the key when it is there but unreadable. An empty text and the zero of Go's clock
/// (`0001-01-01T00:00:00Z`) are no time.
pub(super) fn time(value: &Value, path: &[&str]) -> Result<Option<Timestamp>, Refusal> {
    let Some(value) = path.iter().try_fold(value, |value, key| value.get(key)) else { return Ok(None) };
    time_of(value).map_err(|()| Refusal::field(format!("unreadable time in {}: {}", path.join("."), truncate(&value.to_string(), 60))))
}

/// A time in any spelling; an error where a value is none.
pub(super) fn time_of(value: &Value) -> Result<Option<Timestamp>, ()> {
    let time = match value {
        Value::Null => return Ok(None),
        Value::String(text) if text.trim().is_empty() || text.starts_with("0001-01-01") => return Ok(None),
        Value::String(text) => instant::of_text(text),
        Value::Number(number) => match number.as_i64() {
            Some(whole) => instant::of_integer(whole),
            None => number.as_f64().and_then(instant::of_float),
        },
        _ => None,
    };
    time.map(Some).ok_or(())
}

/// The first time found at one of several paths.
pub(super) fn first_time(body: &Value, paths: &[&[&str]]) -> Result<Option<Timestamp>, Refusal> {
    for path in paths {
        if let Some(time) = time(body, path)? {
            return Ok(Some(time));
        }
    }
    Ok(None)
}

/// A time at one of several paths, else the record's Kafka time.
pub(super) fn time_at(body: &Value, paths: &[&[&str]], sink: &RecordSink<'_>) -> Result<Timestamp, Refusal> {
    first_time(body, paths)?.or(sink.kafka_time).ok_or_else(|| no_time(paths))
}

/// The record's Kafka time, else a time at one of several paths: for payloads that do not say when they happened.
pub(super) fn kafka_time_or(body: &Value, paths: &[&[&str]], sink: &RecordSink<'_>) -> Result<Timestamp, Refusal> {
    match sink.kafka_time {
        Some(time) => Ok(time),
        None => first_time(body, paths)?.ok_or_else(|| no_time(paths)),
    }
}

fn no_time(paths: &[&[&str]]) -> Refusal {
    let names: Vec<String> = paths.iter().map(|path| path.join(".")).collect();
    let places = if names.is_empty() { "the payload".to_owned() } else { names.join(", ") };
    Refusal::field(format!("no time in {places} nor a Kafka timestamp"))
}

/// Two parents where the payload lists parents (a push does not), else git's own words.
pub(super) fn is_merge(commit: &Value, subject: &str) -> bool {
    list(commit, &["parents"]).len() > 1
        || ["Merge pull request ", "Merge branch ", "Merge remote-tracking branch ", "Merge tag ", "Merge commit "]
            .iter()
            .any(|words| subject.starts_with(words))
}

/// `main` of `refs/heads/main`; none of a tag.
pub(super) fn branch_of(git_ref: &str) -> Option<&str> {
    git_ref.strip_prefix("refs/heads/").or_else(|| (!git_ref.starts_with("refs/")).then_some(git_ref))
}

/// Nothing, as git writes it: the side of a push where the ref does not exist.
pub(super) fn is_no_sha(sha: &str) -> bool {
    sha.bytes().all(|byte| byte == b'0')
}

/// True for a whole commit hash.
pub(super) fn is_sha(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// The last part of a path: `cart` of `shop/cart`.
pub(super) fn last_part(path: &str) -> &str {
    path.trim_end_matches('/').rsplit('/').next().unwrap_or(path)
}

/// The facts of a change as an event's `data`; absent ones are left out.
#[derive(Debug, Default)]
pub(super) struct Data(Map<String, Value>);

impl Data {
    pub(super) fn put(&mut self, key: &str, value: impl Into<Value>) {
        self.0.insert(key.to_owned(), value.into());
    }

    pub(super) fn put_text(&mut self, key: &str, text: Option<&str>) {
        if let Some(text) = text {
            self.put(key, truncate(text, MAX_TEXT));
        }
    }

    pub(super) fn put_diff(&mut self, diff: Option<&str>) {
        if let Some(diff) = diff {
            let kept = head(diff, MAX_DIFF);
            self.put("diff", kept);
            if kept.len() < diff.len() {
                self.put("diff_cut_from_bytes", diff.len());
            }
        }
    }

    /// The first names, and how many there are in all.
    pub(super) fn put_files<'f>(&mut self, files: impl Iterator<Item = &'f str>) {
        let mut names = Vec::new();
        let mut total = 0_usize;
        for name in files {
            total += 1;
            if names.len() < MAX_FILES {
                names.push(Value::String(truncate(name, 200)));
            }
        }
        if total > 0 {
            self.put("files", names);
            self.put("files_total", total);
        }
    }

    /// What a source attaches freely: whole when small, else its first keys that fit.
    pub(super) fn put_attached(&mut self, key: &str, value: &Value) {
        let small = bounded(value, MAX_ATTACHED);
        if !is_blank(&small) {
            self.put(key, small);
        }
    }

    pub(super) fn contains(&self, key: &str) -> bool {
        self.0.contains_key(key)
    }

    /// At most 64 KiB as JSON; what ranking reads least goes first when it is more.
    pub(super) fn into_value(mut self) -> Value {
        if self.0.is_empty() {
            return Value::Null;
        }
        let mut value = Value::Object(std::mem::take(&mut self.0));
        for key in ["payload", "value", "description", "files", "message", "diff"] {
            if value.to_string().len() <= MAX_DATA {
                return value;
            }
            if let Some(largest) = value.get_mut(key) {
                halve(largest);
            }
        }
        bounded(&value, MAX_DATA)
    }
}

/// A unified diff under `diff` or `patch` of any of the places.
pub(super) fn diff_of<'v>(places: &[&'v Value]) -> Option<&'v str> {
    places.iter().find_map(|place| text(place, &["diff"]).or_else(|| text(place, &["patch"])))
}

/// The value, or as much of it as takes at most `max_bytes` as JSON: the first keys of an object, the head of a text.
pub(super) fn bounded(value: &Value, max_bytes: usize) -> Value {
    if value.to_string().len() <= max_bytes {
        return value.clone();
    }
    match value {
        Value::Object(map) => {
            let mut kept = Map::new();
            let mut bytes = 2;
            for (key, value) in map {
                bytes += key.len() + value.to_string().len() + 4;
                if bytes > max_bytes {
                    kept.insert("cut".to_owned(), Value::Bool(true));
                    break;
                }
                kept.insert(key.clone(), value.clone());
            }
            Value::Object(kept)
        }
        Value::String(text) => Value::String(head(text, max_bytes / 2).to_owned()),
        _ => Value::Null,
    }
}

pub(super) fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default().trim()
}

fn halve(value: &mut Value) {
    match value {
        Value::String(text) => text.truncate(head(text, text.len() / 2).len()),
        Value::Array(list) => list.truncate(list.len() / 2),
        other => *other = Value::Null,
    }
}

fn is_blank(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Object(map) => map.is_empty(),
        Value::String(text) => text.is_empty(),
        _ => false,
    }
}

/// The longest start of a text within `max_bytes`.
fn head(text: &str, max_bytes: usize) -> &str {
    let mut end = text.len().min(max_bytes);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}
