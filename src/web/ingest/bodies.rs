//! What of a body becomes records. Nothing is refused for what it holds: what cannot be taken apart is one record as it came, and its
//! decoder says why it cannot be read.

use std::borrow::Cow;
use std::io::Read as _;

use percent_encoding::percent_decode;
use warp::http::HeaderMap;

use super::{ENCODING_HEADER, content_encoding, media_type};
use crate::model::Source;
use crate::model::received::Headers;
use crate::web::rejection::Problem;

/// Lines of one request: each becomes a record, and what one request brings is stored at once.
const LINES_MAX: usize = 20_000;
/// Headers that say what a record is. None of them is secret.
const KEPT: [&str; 5] = ["content-type", "x-github-event", "x-github-delivery", "x-gitlab-event", "x-gitlab-event-uuid"];
/// One of GitHub's two content types; also what curl says of any body.
const FORM: &str = "application/x-www-form-urlencoded";
const LINES: [&str; 4] = ["text/plain", "application/x-ndjson", "application/ndjson", "application/jsonl"];

/// The values of a body's records, and the headers that each is kept with.
///
/// # Errors
/// More lines, or more bytes of packed lines, than one request may bring.
pub(super) fn values(source: Source, headers: &HeaderMap, body: Vec<u8>, limit: usize) -> Result<(Vec<Vec<u8>>, Headers), Problem> {
    let (mut kept, media) = (kept(headers), media_type(headers));
    let is_taken_apart = media == FORM || (source == Source::Logs && (media.is_empty() || LINES.contains(&media.as_str())));
    if !is_taken_apart {
        return Ok((vec![body], kept));
    }
    let Some(inside) = unpacked(&body, &content_encoding(headers), limit)? else { return Ok((vec![body], kept)) };
    if media == FORM
        && let Some(json) = payload(&inside)
    {
        kept.push(("content-type".to_owned(), b"application/json".to_vec()));
        return Ok((vec![json], without_encoding(kept)));
    }
    if source == Source::Logs && (LINES.contains(&media.as_str()) || is_plain_text(&inside)) {
        return Ok((lines(&inside)?, without_encoding(kept)));
    }
    drop(inside);
    Ok((vec![body], kept))
}

/// The headers that are kept with a record, named as in Kafka. That of a form says nothing: see [`FORM`].
fn kept(headers: &HeaderMap) -> Headers {
    let mut kept = Headers::new();
    for (name, value) in headers {
        let name = name.as_str();
        if (KEPT.contains(&name) && !(name == "content-type" && media_type(headers) == FORM))
            || (name == ENCODING_HEADER && !content_encoding(headers).is_empty())
        {
            kept.push((name.to_owned(), value.as_bytes().to_vec()));
        } else if let Some(attribute) = name.strip_prefix("ce-") {
            // CloudEvents' HTTP binding percent-encodes values; its Kafka binding does not.
            kept.push((format!("ce_{attribute}"), percent_decode(value.as_bytes()).collect()));
        }
    }
    kept
}

fn without_encoding(mut kept: Headers) -> Headers {
    kept.retain(|(name, _)| name != ENCODING_HEADER);
    kept
}

/// `None` where it cannot be unpacked here.
fn unpacked<'b>(body: &'b [u8], encoding: &str, limit: usize) -> Result<Option<Cow<'b, [u8]>>, Problem> {
    match encoding {
        "" => return Ok(Some(Cow::Borrowed(body))),
        "gzip" => {}
        _ => return Ok(None),
    }
    let mut inside = Vec::new();
    let read = flate2::read::MultiGzDecoder::new(body).take(limit as u64 + 1).read_to_end(&mut inside);
    match read {
        Err(_) => Ok(None),
        Ok(_) if inside.len() > limit => Err(Problem::too_large(limit)),
        Ok(_) => Ok(Some(Cow::Owned(inside))),
    }
}

/// Text of which nobody said what it is: no JSON, which may be one value of many lines, and no bytes that only look like lines.
fn is_plain_text(body: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(body) else { return false };
    // Escape begins the colours of a terminal.
    let is_text = !text.chars().any(|character| character.is_control() && !matches!(character, '\t' | '\n' | '\r' | '\u{1b}'));
    let mut marks = text.chars().filter(|character| !character.is_whitespace());
    let is_json = matches!((marks.next(), marks.next()), (Some('{'), _) | (Some('['), Some('{' | '[' | '"' | ']')));
    is_text && !is_json
}

fn lines(body: &[u8]) -> Result<Vec<Vec<u8>>, Problem> {
    let lines = body.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let lines: Vec<_> = lines.filter(|line| !line.trim_ascii().is_empty()).take(LINES_MAX + 1).map(<[u8]>::to_vec).collect();
    if lines.len() > LINES_MAX { Err(Problem::too_many_lines(LINES_MAX)) } else { Ok(lines) }
}

/// The JSON that GitHub sends as a form: `payload=…`.
fn payload(body: &[u8]) -> Option<Vec<u8>> {
    let field = body.split(|byte| *byte == b'&').find_map(|field| field.strip_prefix(b"payload="))?;
    let spaced: Vec<u8> = field.iter().map(|byte| if *byte == b'+' { b' ' } else { *byte }).collect();
    let json: Vec<u8> = percent_decode(&spaced).collect();
    serde_json::from_slice::<serde::de::IgnoredAny>(&json).is_ok().then_some(json)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (warp::http::HeaderName::from_static(name), value.parse().unwrap())).collect()
    }

    #[test]
    fn a_form_is_the_json_in_it_or_what_it_is() {
        let form = headers(&[("content-type", FORM)]);
        let read = |body: &[u8]| values(Source::Git, &form, body.to_vec(), 1_000).unwrap();
        let json = ("content-type".to_owned(), b"application/json".to_vec());
        assert_eq!(read(b"a=1&payload=%7B%22a%22%3A+1%7D"), (vec![b"{\"a\": 1}".to_vec()], vec![json]));
        for other in [b"a=1".as_slice(), b"payload=%7B", b"payload=", b"{\"a\": 1}", b"\x00"] {
            assert_eq!(read(other), (vec![other.to_vec()], vec![]));
        }
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
        let expected = [("x-github-event".to_owned(), b"push".to_vec()), ("ce_type".to_owned(), b"dev event".to_vec())];
        assert_eq!(kept(&headers(&sent)), expected);
    }

    #[test]
    fn lines_are_records_and_blank_ones_are_none() {
        assert_eq!(lines(b"one\r\n\n two \n").unwrap(), [b"one".to_vec(), b" two ".to_vec()]);
        assert_eq!(lines(&b"x\n".repeat(LINES_MAX)).unwrap().len(), LINES_MAX);
        assert_eq!(lines(&b"x\n".repeat(LINES_MAX + 1)).unwrap_err().status, 413);
    }

    #[test]
    fn what_nobody_named_is_cut_into_lines_only_where_it_is_text() {
        for text in ["a\nb", "[main] a\nb", "[2026-11-23] a\n", "level=error\n\tat x"] {
            assert!(is_plain_text(text.as_bytes()), "{text}");
        }
        for other in [b"{\"a\":\n1}".as_slice(), b" [\n {\"a\":1}]", b"[\"a\"]", b"[]", b"\x0a\x02\x08\x01", b"\xff\n", b"a\0\n"] {
            assert!(!is_plain_text(other), "{other:?}");
        }
    }
}
