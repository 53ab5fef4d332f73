//! The canvas inside the binary: its files, and `index.html` for every address the page itself knows.

use rust_embed::{EmbeddedFile, RustEmbed};
use warp::Filter;
use warp::filters::BoxedFilter;
use warp::http::{HeaderMap, HeaderValue, StatusCode, header};
use warp::path::FullPath;
use warp::reply::Response;

use super::rejection::Problem;

/// What `make canvas` builds; a build without it still compiles and says so on the page.
#[derive(RustEmbed)]
#[folder = "src/web/canvas/dist"]
#[allow_missing = true]
struct Canvas;

const UNBUILT: &str = "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>whydunit</title></head><body>\
    <h1>whydunit is running, without its page</h1>\
    <p>This binary was built before the canvas. Run <code>make canvas</code>, then build again.</p>\
    <p>The API is there all the same: <a href=\"/api/v1/openapi.json\">/api/v1/openapi.json</a>.</p></body></html>";

/// Extensions of files that a build makes: a missing one is missing, not a page.
const FILE_EXTENSIONS: [&str; 16] =
    ["js", "mjs", "css", "map", "png", "jpg", "svg", "ico", "webp", "woff", "woff2", "ttf", "json", "txt", "webmanifest", "wasm"];

pub fn routes() -> BoxedFilter<(Response,)> {
    let pages = warp::get().and(warp::path::full()).and(warp::header::headers_cloned());
    pages.map(|path: FullPath, headers: HeaderMap| answer(path.as_str(), &headers)).boxed()
}

fn answer(path: &str, headers: &HeaderMap) -> Response {
    let name = path.trim_start_matches('/');
    let named = if name.is_empty() { None } else { Canvas::get(name) };
    match named {
        Some(file) => served(name, file, headers),
        None if is_file(name) => warp::Reply::into_response(Problem::not_found(format!("no file {path}"))),
        None => match Canvas::get("index.html") {
            Some(file) => served("index.html", file, headers),
            None => page(UNBUILT),
        },
    }
}

fn is_file(name: &str) -> bool {
    let last = name.rsplit('/').next().unwrap_or_default();
    let extension = last.rsplit_once('.').map(|(_, extension)| extension);
    name.starts_with("assets/") || extension.is_some_and(|extension| FILE_EXTENSIONS.contains(&extension))
}

fn page(text: &'static str) -> Response {
    let mut response = Response::new(text.into());
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    response
}

fn served(name: &str, file: EmbeddedFile, headers: &HeaderMap) -> Response {
    let tag = etag(&file.metadata.sha256_hash());
    let unchanged = headers.get(header::IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == tag.as_bytes());
    let mut response = if unchanged { Response::default() } else { Response::new(file.data.into_owned().into()) };
    if unchanged {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    }
    // Names under assets/ carry a hash of their content: what is cached can never be wrong.
    let caching = if name.starts_with("assets/") { "public, max-age=31536000, immutable" } else { "no-cache" };
    let own = response.headers_mut();
    own.insert(header::CACHE_CONTROL, HeaderValue::from_static(caching));
    if let Ok(media) = HeaderValue::from_str(&media_type(file.metadata.mimetype())) {
        own.insert(header::CONTENT_TYPE, media);
    }
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        own.insert(header::ETAG, tag);
    }
    response
}

fn media_type(guessed: &str) -> String {
    if guessed.starts_with("text/") { format!("{guessed}; charset=utf-8") } else { guessed.to_owned() }
}

fn etag(hash: &[u8; 32]) -> String {
    let hex: String = hash[..16].iter().map(|byte| format!("{byte:02x}")).collect();
    format!("\"{hex}\"")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    #[test]
    fn an_address_of_the_page_is_the_page_and_a_missing_file_is_missing() {
        let status = |path: &str| {
            let response = answer(path, &HeaderMap::new());
            let problem = response.extensions().get::<Problem>().is_some();
            (response.status().as_u16(), problem)
        };
        assert_eq!(status("/"), (200, false));
        assert_eq!(status("/investigations/0190-a/events"), (200, false));
        assert_eq!(status("/connectors/payment.logs"), (200, false));
        assert_eq!(status("/assets/index-0000.js"), (404, true));
        assert_eq!(status("/no-such.js"), (404, true));
        for path in ["/../Cargo.toml", "/assets/../../../../Cargo.toml", "//etc/passwd", "/%2e%2e/Cargo.toml"] {
            let body = answer(path, &HeaderMap::new());
            assert!(body.status() == 404 || body.headers()[header::CONTENT_TYPE] == "text/html; charset=utf-8", "{path}");
        }
    }
}
