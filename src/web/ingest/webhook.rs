//! `/ingest/{source}`: one record a request; of logs as text or JSON lines, one a line.

use std::io::Read as _;

use percent_encoding::percent_decode;
use serde::Serialize;
use warp::http::HeaderMap;

use super::{Desk, is_gzip, media_type, record, signature};
use crate::model::Source;
use crate::model::received::Headers;
use crate::telemetry::metrics::metrics;
use crate::web::rejection::{Answer, Problem};
use crate::web::request::{Request, json};

/// Lines of one request: each becomes a record, and what one request brings is stored at once.
const LINES_MAX: usize = 20_000;
/// Headers that say what a record is. None of them is secret.
const KEPT: [&str; 5] = ["content-type", "x-github-event", "x-github-delivery", "x-gitlab-event", "x-gitlab-event-uuid"];
const FORM: &str = "application/x-www-form-urlencoded";

/// What a request came to.
#[derive(Debug, Serialize)]
struct Taken {
    /// Records stored.
    records: usize,
}

pub(super) async fn take(desk: &Desk, request: &mut Request, source: Source) -> Answer {
    let is_packed = is_gzip(&request.headers)?;
    let (body, _room) = desk.body(request).await?;
    if let Err(refused) = signature::check(desk.options(), &request.headers, &body) {
        metrics().ingest_request(source.as_str(), "refused");
        return Err(refused);
    }
    if body.is_empty() {
        return Err(Problem::bad_parameter("body", "is empty"));
    }
    // GitHub asks whether anybody is there.
    if request.headers.get("x-github-event").is_some_and(|event| event == "ping") {
        return json(&Taken { records: 0 });
    }
    let values = if source == Source::Logs && is_lines(&request.headers) {
        lines(&unpacked(body, is_packed, desk.options().max_body_bytes)?)?
    } else {
        vec![if media_type(&request.headers) == FORM { payload(&body)? } else { body }]
    };
    let headers = kept(&request.headers);
    let records: Vec<_> = values.into_iter().map(|value| record(request, source, value, headers.clone())).collect();
    let taken = Taken { records: records.len() };
    if taken.records > 0 {
        desk.store(source, records).await?;
    }
    json(&taken)
}

/// The headers that are kept with a record, named as in Kafka.
fn kept(headers: &HeaderMap) -> Headers {
    let mut kept = Headers::new();
    for (name, value) in headers {
        let name = name.as_str();
        if name == "content-type" && media_type(headers) == FORM {
            kept.push((name.to_owned(), b"application/json".to_vec()));
        } else if KEPT.contains(&name) {
            kept.push((name.to_owned(), value.as_bytes().to_vec()));
        } else if let Some(attribute) = name.strip_prefix("ce-") {
            // CloudEvents' HTTP binding percent-encodes values; its Kafka binding does not.
            kept.push((format!("ce_{attribute}"), percent_decode(value.as_bytes()).collect()));
        }
    }
    kept
}

fn is_lines(headers: &HeaderMap) -> bool {
    let kinds = ["text/plain", "application/x-ndjson", "application/ndjson", "application/jsonl"];
    kinds.contains(&media_type(headers).as_str())
}

fn unpacked(body: Vec<u8>, is_packed: bool, limit: usize) -> Result<Vec<u8>, Problem> {
    if !is_packed {
        return Ok(body);
    }
    let mut inside = Vec::new();
    let read = flate2::read::MultiGzDecoder::new(body.as_slice()).take(limit as u64 + 1).read_to_end(&mut inside);
    read.map_err(|error| Problem::bad_parameter("body", format!("is no gzip: {error}")))?;
    if inside.len() > limit { Err(Problem::too_large(limit)) } else { Ok(inside) }
}

fn lines(body: &[u8]) -> Result<Vec<Vec<u8>>, Problem> {
    let lines = body.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let lines: Vec<_> = lines.filter(|line| !line.trim_ascii().is_empty()).take(LINES_MAX + 1).map(<[u8]>::to_vec).collect();
    if lines.len() > LINES_MAX {
        return Err(Problem::bad_parameter("body", format!("has more than {LINES_MAX} lines; send them in several requests")));
    }
    Ok(lines)
}

/// The JSON that GitHub sends as a form: `payload=…`.
fn payload(body: &[u8]) -> Result<Vec<u8>, Problem> {
    let field = body.split(|byte| *byte == b'&').find_map(|field| field.strip_prefix(b"payload="));
    let field = field.ok_or_else(|| Problem::bad_parameter("body", "is a form without a field `payload`; send JSON"))?;
    let spaced: Vec<u8> = field.iter().map(|byte| if *byte == b'+' { b' ' } else { *byte }).collect();
    Ok(percent_decode(&spaced).collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (warp::http::HeaderName::from_static(name), value.parse().unwrap())).collect()
    }

    #[test]
    fn a_form_is_the_json_in_it() {
        assert_eq!(payload(b"a=1&payload=%7B%22a%22%3A+1%7D").unwrap(), b"{\"a\": 1}");
        assert_eq!(payload(b"a=1").unwrap_err().status, 400);
        assert_eq!(kept(&headers(&[("content-type", FORM)])), [("content-type".to_owned(), b"application/json".to_vec())]);
    }

    #[test]
    fn only_headers_that_say_what_it_is_are_kept() {
        let sent = [
            ("authorization", "Bearer secret"),
            ("cookie", "secret"),
            ("x-hub-signature-256", "sha256=00"),
            ("x-gitlab-token", "secret"),
            ("x-github-event", "push"),
            ("ce-type", "dev%20event"),
        ];
        let kept = kept(&headers(&sent));
        let expected = [("x-github-event".to_owned(), b"push".to_vec()), ("ce_type".to_owned(), b"dev event".to_vec())];
        assert_eq!(kept, expected);
    }

    #[test]
    fn lines_are_records_and_blank_ones_are_none() {
        assert_eq!(lines(b"one\r\n\n two \n").unwrap(), [b"one".to_vec(), b" two ".to_vec()]);
        assert_eq!(lines(&b"x\n".repeat(LINES_MAX)).unwrap().len(), LINES_MAX);
        assert_eq!(lines(&b"x\n".repeat(LINES_MAX + 1)).unwrap_err().status, 400);
    }
}
