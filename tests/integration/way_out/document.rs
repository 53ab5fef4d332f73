//! The document and the server say the same.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::ports::{Running, start_with};

fn web() -> Running {
    start_with(|options| options.max_requests_per_minute = 0)
}

/// (method, documented path, operation) of all operations.
fn operations(document: &Value) -> Vec<(String, String, Value)> {
    let paths = document["paths"].as_object().unwrap();
    paths
        .iter()
        .flat_map(|(path, item)| {
            let operations = item.as_object().unwrap().iter();
            operations.map(move |(method, operation)| (method.to_uppercase(), path.clone(), operation.clone()))
        })
        .collect()
}

/// A path as [`Running::send`] takes it.
fn concrete(path: &str) -> String {
    let segment = |segment| match segment {
        "{source}" => "logs",
        parameter if parameter.starts_with('{') => "known",
        literal => literal,
    };
    let path = path.split('/').map(segment).collect::<Vec<_>>().join("/");
    path.strip_prefix("/api/v1").map_or(format!("/{path}"), str::to_owned)
}

#[test]
fn every_documented_operation_exists_and_every_other_method_is_refused_with_those_there_are() {
    let web = web();
    let all = operations(&web.get("/openapi.json").json());
    assert!(all.len() >= 39, "{} operations", all.len());
    for (method, path, _) in all.iter().filter(|(_, path, _)| !path.ends_with("/stream")) {
        let answer = web.write(method, &concrete(path), "{}");
        assert!(!matches!(answer.status, 404 | 405 | 500..), "{method} {path}: {} {}", answer.status, answer.text);
    }
    let paths: BTreeSet<_> = all.iter().map(|(_, path, _)| path.clone()).collect();
    for path in paths {
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"] {
            if all.iter().any(|(known, of, _)| known == method && *of == path) {
                continue;
            }
            let answer = web.send(method, &concrete(&path), &[], None);
            assert_eq!(answer.status, 405, "{method} {path}: {}", answer.text);
            for (known, _, _) in all.iter().filter(|(_, of, _)| *of == path) {
                assert!(answer.header("allow").split(", ").any(|allowed| allowed == known), "{method} {path}: {}", answer.header("allow"));
            }
        }
    }
}

#[test]
fn every_path_that_takes_records_says_how_it_answers() {
    let document = web().get("/openapi.json").json();
    for (path, statuses) in [
        ("/v1/logs", "200 400 401 413 429 503"),
        ("/v1/metrics", "200 400 401 413 429 503"),
        ("/v1/traces", "200 400 401 413 429 503"),
        ("/api/v1/write", "204 400 401 413 415 503"),
        ("/ingest/{source}", "200 400 401 404 413 429 503"),
    ] {
        let operation = &document["paths"][path]["post"];
        let responses = operation["responses"].as_object().unwrap_or_else(|| panic!("{path} is not described"));
        let named: Vec<_> = responses.keys().map(String::as_str).filter(|status| *status != "default").collect();
        assert_eq!(named.join(" "), statuses, "{path}");
        let waits = responses.iter().filter(|(status, _)| matches!(status.as_str(), "429" | "503"));
        assert!(waits.into_iter().all(|(_, response)| response["headers"]["Retry-After"].is_object()), "{path}");
        assert!(!operation["parameters"].to_string().contains("Idempotency-Key"), "{path}");
    }
}

#[test]
fn operations_have_names_of_their_own_and_responses_are_described() {
    let document = web().get("/openapi.json").json();
    let mut names = BTreeSet::new();
    for (method, path, operation) in operations(&document) {
        let name = operation["operationId"].as_str().unwrap().to_owned();
        assert!(names.insert(name.clone()), "{name} twice");
        for (status, response) in operation["responses"].as_object().unwrap() {
            assert!(response["description"].as_str().is_some_and(|text| !text.is_empty()), "{method} {path} {status}");
        }
        assert!(operation["summary"].as_str().is_some_and(|text| !text.is_empty()), "{method} {path}");
    }
    let text = document.to_string();
    for reference in text.split("\"$ref\":\"#/components/schemas/").skip(1) {
        let name = reference.split('"').next().unwrap();
        assert!(document["components"]["schemas"][name].is_object(), "{name} is not described");
    }
}

#[test]
fn bodies_take_exactly_the_fields_that_are_documented() {
    let web = web();
    let document = web.get("/openapi.json").json();
    let mut checked = 0;
    for (method, path, operation) in operations(&document) {
        let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
        let reference = schema["$ref"].as_str().or_else(|| schema["oneOf"][0]["$ref"].as_str());
        let Some(name) = reference.and_then(|reference| reference.rsplit('/').next()) else { continue };
        let properties = document["components"]["schemas"][name]["properties"].as_object().unwrap();
        // A list of a list fits no field: each documented one is then faulted for itself, none as unknown.
        let mut body: Map<String, Value> = properties.keys().map(|field| (field.clone(), json!([[1]]))).collect();
        body.insert("zzz".to_owned(), json!(1));
        let answer = web.write(&method, &concrete(&path), &Value::Object(body).to_string());
        assert_eq!(answer.status, 422, "{method} {path}: {}", answer.text);
        let faulted: BTreeSet<_> = answer.fields().iter().map(|field| field.split('[').next().unwrap().to_owned()).collect();
        let expected: BTreeSet<_> = properties.keys().cloned().chain(["zzz".to_owned()]).collect();
        assert_eq!(faulted, expected, "{method} {path}");
        let unknown: Vec<_> =
            answer.json()["errors"].as_array().unwrap().iter().filter(|e| e["reason"] == "unknown field").cloned().collect();
        assert_eq!(unknown.len(), 1, "{method} {path}: {unknown:?}");
        checked += 1;
    }
    assert!(checked >= 12, "{checked} bodies");
}

#[test]
fn answers_are_what_their_schemas_say() {
    let web = web();
    let document = web.get("/openapi.json").json();
    for (method, path, operation) in operations(&document) {
        let Some(schema) = operation["responses"].get("200").and_then(|r| r["content"]["application/json"]["schema"].as_object()) else {
            continue;
        };
        if method != "GET" {
            continue;
        }
        let query = match path.rsplit('/').next() {
            Some("search") => "?q=pool",
            Some("explain") => "?event=known",
            _ => "",
        };
        let answer = web.get(&format!("{}{query}", concrete(&path))).json();
        fits(&document, &Value::Object(schema.clone()), &answer, &path);
    }
}

/// A small reading of JSON Schema: what our document uses.
fn fits(document: &Value, schema: &Value, value: &Value, at: &str) {
    if let Some(reference) = schema["$ref"].as_str() {
        let name = reference.rsplit('/').next().unwrap();
        return fits(document, &document["components"]["schemas"][name], value, &format!("{at} {name}"));
    }
    for part in schema["allOf"].as_array().into_iter().flatten() {
        fits(document, part, value, at);
    }
    if let Some(choices) = schema["oneOf"].as_array() {
        let null = choices.iter().any(|choice| choice["type"] == "null");
        if null && !value.is_null() {
            choices.iter().filter(|choice| choice["type"] != "null").for_each(|choice| fits(document, choice, value, at));
        }
        return;
    }
    if let Some(kinds) = schema.get("type") {
        let kinds: Vec<_> = kinds.as_array().cloned().unwrap_or_else(|| vec![kinds.clone()]);
        let kind = match value {
            Value::Null => "null",
            Value::Bool(_) => "boolean",
            Value::Number(number) if number.is_f64() => "number",
            Value::Number(_) if kinds.contains(&json!("number")) => "number",
            Value::Number(_) => "integer",
            Value::String(_) => "string",
            Value::Array(_) => "array",
            Value::Object(_) => "object",
        };
        let free_form = kinds == [json!("object")] && schema.get("properties").is_none() && value.is_null();
        assert!(free_form || kinds.contains(&json!(kind)), "{at}: {value} is not {kinds:?}");
    }
    if let Some(choices) = schema["enum"].as_array() {
        assert!(choices.contains(value), "{at}: {value} is none of {choices:?}");
    }
    if let Value::Array(items) = value {
        items.iter().for_each(|item| fits(document, &schema["items"], item, at));
    }
    if let Value::Object(fields) = value {
        for required in schema["required"].as_array().into_iter().flatten() {
            assert!(fields.contains_key(required.as_str().unwrap()), "{at}: {required} is missing");
        }
        for (name, property) in schema["properties"].as_object().into_iter().flatten() {
            if let Some(field) = fields.get(name) {
                fits(document, property, field, &format!("{at}.{name}"));
            }
        }
    }
}
