//! Access lines of web servers (common and combined format, with any fields around them).

use crate::engine::decode::dates;
use crate::model::{Severity, Timestamp};

/// Bytes before the time in which addresses and users stand.
const MAX_BEFORE: usize = 256;

/// One request.
pub(super) struct Request<'t> {
    pub(super) at: Timestamp,
    pub(super) status: u16,
    /// From the request's method on.
    pub(super) said: &'t str,
}

/// Reads `10.0.0.7 - ann [23/Nov/2026:14:02:10 +0000] "GET /orders HTTP/1.1" 500 123 …`.
pub(super) fn read(line: &str) -> Option<Request<'_>> {
    let head = line.as_bytes().get(..MAX_BEFORE).unwrap_or(line.as_bytes());
    // Only an access line has a day, a slash and a month after its bracket.
    let open = memchr::memchr_iter(b'[', head).find(|open| line.as_bytes().get(open + 3) == Some(&b'/'))?;
    let (at, length) = dates::access(line.get(open + 1..)?)?;
    let request = line.get(open + 1 + length..)?.strip_prefix(']')?.trim_start();
    let after = request.strip_prefix('"')?;
    let close = end_of_quoted(after)?;
    let status = after.get(close + 1..)?.trim_start();
    let status = status.split(' ').next().filter(|status| status.len() == 3)?.parse().ok().filter(|status| (100..600).contains(status))?;
    Some(Request { at, status, said: request })
}

fn end_of_quoted(text: &str) -> Option<usize> {
    let mut escaped = false;
    text.bytes().position(|byte| {
        let ends = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        ends
    })
}

/// A server's failure is an error; of what a client does wrong only being too slow or too many is worth a warning, since any passer-by
/// can ask for what is not there.
pub(super) fn severity(status: u16) -> Severity {
    match status {
        500.. => Severity::High,
        408 | 429 => Severity::Medium,
        400..500 => Severity::Low,
        _ => Severity::Info,
    }
}
