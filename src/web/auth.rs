//! Who may ask: host names, origins, the token, and the name of the person.

use std::net::{IpAddr, SocketAddr};

use subtle::ConstantTimeEq;
use warp::http::{HeaderMap, Method, header};

use super::ingest::{self, IngestOptions};
use super::options::Options;
use super::rejection::Problem;
use super::server::is_api;

/// Header in which a person gives their name.
pub const USER_HEADER: &str = "x-whydunit-user";
const USER_CHARS_MAX: usize = 100;
/// The engine's own name; no person may use it.
const ENGINE: &str = "whydunit";

/// Both ends of a connection.
#[derive(Clone, Copy, Debug)]
pub struct Ends {
    pub remote: SocketAddr,
    pub local: SocketAddr,
}

/// Name of the person who asks, as activity and notes show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person(pub String);

/// Decides whether a request may go on, and who asks. Pages and assets need only a known host; the API needs the token
/// when one is set; writes must come from our own page. `taking` is there where records are taken: they need the token like the
/// API, or a signature of their own, and who has either may call us by any name.
pub fn admit(
    options: &Options,
    taking: Option<&IngestOptions>,
    ends: Ends,
    method: &Method,
    path: &str,
    headers: &HeaderMap,
) -> Result<Person, Problem> {
    let host = header_text(headers, header::HOST.as_str()).unwrap_or_default();
    let brings_records = ingest::is_path(path);
    let has_token = options.token.as_ref().map(|token| carries_token(headers, token));
    let is_vouched_for = taking.is_some_and(|taking| ingest::is_vouched_for(taking, path, headers));
    let is_known = brings_records && (has_token == Some(true) || is_vouched_for);
    if !is_known && !is_our_host(options, ends, host) {
        return Err(Problem::unknown_host(host));
    }
    if !is_api(path) && !brings_records {
        return Ok(Person(String::new()));
    }
    if has_token == Some(false) && !is_vouched_for {
        return Err(Problem::unauthorized());
    }
    if !method.is_safe() {
        check_origin(headers, host)?;
    }
    if brings_records { Ok(Person(String::new())) } else { person(headers) }
}

/// Guards against DNS rebinding: a page of another site that points its own name at our address is not served.
/// Addresses cannot be rebound, so the address the connection came in on is always good.
fn is_our_host(options: &Options, ends: Ends, host: &str) -> bool {
    let name = without_port(host);
    if name.is_empty() {
        return false;
    }
    let bare = name.trim_start_matches('[').trim_end_matches(']');
    if let Ok(ip) = bare.parse::<IpAddr>() {
        return ip.is_loopback() || ip == ends.local.ip().to_canonical() || ip == options.listen.ip() || is_allowed(options, name);
    }
    name.eq_ignore_ascii_case("localhost") || name.to_ascii_lowercase().ends_with(".localhost") || is_allowed(options, name)
}

fn is_allowed(options: &Options, name: &str) -> bool {
    options.allowed_hosts.iter().any(|allowed| allowed.trim_end_matches('.').eq_ignore_ascii_case(name.trim_end_matches('.')))
}

fn without_port(host: &str) -> &str {
    if host.starts_with('[') {
        return host.find(']').map_or("", |end| &host[..=end]);
    }
    host.split_once(':').map_or(host, |(name, _)| name)
}

/// Same origin only. Requests of programs carry no `Origin`; browsers always send one with a write.
fn check_origin(headers: &HeaderMap, host: &str) -> Result<(), Problem> {
    if let Some(origin) = header_text(headers, header::ORIGIN.as_str()) {
        let authority = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
        if !authority.is_some_and(|authority| authority.eq_ignore_ascii_case(host)) {
            return Err(Problem::forbidden_origin(origin));
        }
    } else if headers.contains_key(header::ORIGIN) {
        return Err(Problem::forbidden_origin("unreadable"));
    }
    match header_text(headers, "sec-fetch-site") {
        Some(site @ ("cross-site" | "same-site")) => Err(Problem::forbidden_origin(site)),
        _ => Ok(()),
    }
}

fn carries_token(headers: &HeaderMap, token: &str) -> bool {
    let Some(value) = header_text(headers, header::AUTHORIZATION.as_str()) else { return false };
    let Some((scheme, given)) = value.split_once(' ') else { return false };
    scheme.eq_ignore_ascii_case("bearer") && given.trim().as_bytes().ct_eq(token.as_bytes()).into()
}

/// The name in `X-Whydunit-User`, percent-encoded where it is not ASCII; `local` when none is given. A shared token does
/// not say who holds it, so the name is a claim, as on a note pinned to a board.
fn person(headers: &HeaderMap) -> Result<Person, Problem> {
    let Some(value) = headers.get(USER_HEADER) else { return Ok(Person("local".to_owned())) };
    let refuse = |reason: &str| Err(Problem::bad_parameter("X-Whydunit-User", reason));
    let Ok(name) = percent_encoding::percent_decode(value.as_bytes()).decode_utf8() else {
        return refuse("not UTF-8, plain or percent-encoded");
    };
    let name = name.trim();
    if name.is_empty() || name.chars().count() > USER_CHARS_MAX {
        return refuse("needs 1 to 100 characters");
    }
    if name.chars().any(char::is_control) {
        return refuse("holds control characters");
    }
    if name.eq_ignore_ascii_case(ENGINE) {
        return refuse("is the engine's own name");
    }
    Ok(Person(name.to_owned()))
}

fn header_text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    fn ask(options: &Options, method: &Method, path: &str, headers: &[(&str, &str)]) -> Result<Person, u16> {
        let ends = Ends { remote: "127.0.0.1:50000".parse().unwrap(), local: "192.168.7.4:8080".parse().unwrap() };
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(header::HeaderName::from_bytes(name.as_bytes()).unwrap(), value.parse().unwrap());
        }
        admit(options, None, ends, method, path, &map).map_err(|problem| problem.status)
    }

    #[test]
    fn a_name_pointed_at_our_address_by_another_site_is_not_ours() {
        let options = Options { allowed_hosts: vec!["why.example.org".to_owned()], ..Options::default() };
        let with = |host| ask(&options, &Method::GET, "/", &[("host", host)]).is_ok();
        for ours in
            ["localhost:8080", "127.0.0.1", "[::1]:8080", "127.8.0.9:1", "192.168.7.4:8080", "why.example.org", "WHY.example.org.:80"]
        {
            assert!(with(ours), "{ours}");
        }
        for foreign in ["evil.test", "localhost.evil.test", "192.168.7.5", "why.example.org.evil.test", "", "[::1", "127.0.0.1.evil.test"] {
            assert!(!with(foreign), "{foreign}");
        }
    }

    #[test]
    fn a_write_from_another_site_is_refused_and_a_read_is_not() {
        let options = Options::default();
        let host = ("host", "localhost:8080");
        let write = |more: &[(&str, &str)]| ask(&options, &Method::POST, "/api/v1/events", &[&[host], more].concat()).map(drop);
        assert_eq!(write(&[]), Ok(()));
        assert_eq!(write(&[("origin", "http://localhost:8080")]), Ok(()));
        assert_eq!(write(&[("origin", "http://localhost:9999")]), Err(403));
        assert_eq!(write(&[("origin", "null")]), Err(403));
        assert_eq!(write(&[("sec-fetch-site", "cross-site")]), Err(403));
        assert!(ask(&options, &Method::GET, "/api/v1/events", &[host, ("origin", "http://evil.test")]).is_ok());
    }

    #[test]
    fn with_a_token_the_api_needs_it_and_the_page_does_not() {
        let token = "t".repeat(32);
        let options = Options { token: Some(token.clone()), ..Options::default() };
        let host = ("host", "localhost");
        let bearer = format!("Bearer {token}");
        assert!(ask(&options, &Method::GET, "/investigations", &[host]).is_ok());
        assert_eq!(ask(&options, &Method::GET, "/api/v1/events", &[host]), Err(401));
        assert_eq!(ask(&options, &Method::GET, "/api/v1/events", &[host, ("authorization", "Bearer tttt")]), Err(401));
        assert_eq!(ask(&options, &Method::GET, "/api", &[host]), Err(401));
        assert!(ask(&options, &Method::GET, "/api/v1/events", &[host, ("authorization", &bearer)]).is_ok());
    }

    #[test]
    fn people_have_names_and_nobody_is_the_engine() {
        let options = Options::default();
        let named = |name: &str| ask(&options, &Method::GET, "/api/v1/health", &[("host", "localhost"), (USER_HEADER, name)]);
        assert_eq!(named("ana"), Ok(Person("ana".to_owned())));
        assert_eq!(named("J%C3%BCrgen"), Ok(Person("Jürgen".to_owned())));
        assert_eq!(named("Whydunit"), Err(400));
        assert_eq!(named(&"n".repeat(101)), Err(400));
        assert_eq!(named("a%0Ab"), Err(400));
    }
}
