//! Where two exports differ, in few words.

use serde_json::Value;

/// Differences between lines of one kind; lines that stand for the same thing are compared field by field.
pub fn between(kind: &str, expected: &[String], actual: &[String]) -> Option<String> {
    if expected == actual {
        return None;
    }
    let missing: Vec<Value> = expected.iter().filter(|line| !actual.contains(line)).map(|line| parse(line)).collect();
    let extra: Vec<Value> = actual.iter().filter(|line| !expected.contains(line)).map(|line| parse(line)).collect();
    let mut text = format!("{kind}: {} of {} lines are missing, {} are not expected", missing.len(), expected.len(), extra.len());
    for line in missing.iter().take(3) {
        text.push_str(&match extra.iter().find(|other| identity(other) == identity(line)) {
            Some(other) => {
                let mut paths = Vec::new();
                paths_between("", line, other, &mut paths);
                format!("\n    {}: {}", identity(line), paths.into_iter().take(4).collect::<Vec<_>>().join("; "))
            }
            None => format!("\n    missing: {line}"),
        });
    }
    let added = extra.iter().filter(|line| missing.iter().all(|other| identity(other) != identity(line)));
    added.take(2).for_each(|line| text.push_str(&format!("\n    not expected: {line}")));
    Some(text)
}

fn parse(line: &str) -> Value {
    serde_json::from_str(line).expect("a JSON line")
}

/// What makes a line the same thing in two exports.
fn identity(line: &Value) -> String {
    match line["id"].as_str() {
        Some(id) => id.to_owned(),
        None => format!("{} {} {}", line["bucket"], line["source"], line["entity"]),
    }
}

fn paths_between(path: &str, expected: &Value, actual: &Value, paths: &mut Vec<String>) {
    match (expected, actual) {
        (Value::Object(left), Value::Object(right)) => {
            let mut names: Vec<&String> = left.keys().chain(right.keys()).collect();
            names.sort();
            names.dedup();
            for name in names {
                paths_between(&format!("{path}.{name}"), &expected[name], &actual[name], paths);
            }
        }
        (Value::Array(left), Value::Array(right)) if left.len() == right.len() => {
            left.iter()
                .zip(right)
                .enumerate()
                .for_each(|(index, (left, right))| paths_between(&format!("{path}[{index}]"), left, right, paths));
        }
        _ if expected == actual => {}
        _ => paths.push(format!("{path} is {actual}, not {expected}")),
    }
}
