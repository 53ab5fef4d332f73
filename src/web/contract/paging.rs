//! Pages of lists: what is asked, and the headers that answer.

use serde::Serialize;
use warp::http::{HeaderName, HeaderValue, header};
use warp::reply::Response;

use super::query::{Kind, Param, Query, param};
use crate::model::query::{Page, Paging};
use crate::web::rejection::{Answer, Problem};
use crate::web::request::json;

pub const PER_PAGE_DEFAULT: u32 = 20;
pub const PER_PAGE_MAX: u32 = 100;
/// Deepest numbered page; further on, `cursor` is the way.
pub const PAGE_MAX: u32 = 10_000;

pub const PAGING: &[Param] = &[
    param("sort", Kind::Sort, "Field to sort by; `-` in front sorts downwards."),
    param("page", Kind::Integer { min: 1, max: PAGE_MAX }, "Number of the page, from 1. Not together with `cursor`."),
    param("per_page", Kind::Integer { min: 1, max: PER_PAGE_MAX }, "Items a page; 20 when absent."),
    param("cursor", Kind::Text, "Where to go on: `X-Next-Cursor` of the page before. Stays right while data arrives."),
];

/// Reads the parameters of [`PAGING`]; `sort` is the order when none is asked for.
pub fn paging(query: &Query, sort: &str) -> Result<Paging, Problem> {
    let cursor = query.text("cursor");
    let page = query.integer("page");
    if cursor.is_some() && page.is_some() {
        return Err(Problem::bad_parameter("page", "not together with cursor"));
    }
    let asked = query.text("sort").unwrap_or_else(|| sort.to_owned());
    let descending = asked.starts_with('-');
    Ok(Paging {
        page: page.unwrap_or(1),
        per_page: query.integer("per_page").unwrap_or(PER_PAGE_DEFAULT),
        cursor,
        sort: asked.trim_start_matches('-').to_owned(),
        descending,
    })
}

/// A page as a JSON array, its place in headers. `path` and `query` are the request's, for the `Link` to the next page.
pub fn paged<T: Serialize>(page: &Page<T>, asked: &Paging, path: &str, query: &str) -> Answer {
    let mut response = json(&page.items)?;
    put(&mut response, "x-total-count", &page.total.to_string());
    put(&mut response, "x-total-count-exact", if page.total_exact { "true" } else { "false" });
    put(&mut response, "x-page", &asked.page.to_string());
    put(&mut response, "x-per-page", &asked.per_page.to_string());
    if let Some(cursor) = &page.next_cursor {
        put(&mut response, "x-next-cursor", cursor);
        put(&mut response, header::LINK.as_str(), &format!("<{}>; rel=\"next\"", next_link(path, query, cursor)));
    }
    Ok(response)
}

fn next_link(path: &str, query: &str, cursor: &str) -> String {
    let kept = query.split('&').filter(|pair| !pair.is_empty() && !matches!(pair.split('=').next(), Some("cursor" | "page")));
    let cursor = percent_encoding::utf8_percent_encode(cursor, percent_encoding::NON_ALPHANUMERIC);
    let pairs: Vec<_> = kept.map(str::to_owned).chain([format!("cursor={cursor}")]).collect();
    format!("{path}?{}", pairs.join("&"))
}

/// Sets a header; a value that cannot stand in one is left out.
fn put(response: &mut Response, name: &'static str, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(HeaderName::from_static(name), value);
    }
}
