//! Live updates over real connections: resuming, resetting, falling behind, shutting down.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use whydunit::model::live::LiveUpdate;
use whydunit::model::ports::Publish;

use super::ports::{PATIENCE, Running, start, start_with};

/// A page's stream, read line by line.
struct Page(BufReader<TcpStream>);

/// One server-sent event.
#[derive(Debug, Default, PartialEq)]
struct Message {
    event: String,
    id: String,
    data: String,
}

impl Page {
    fn open(web: &Running, last_id: Option<&str>) -> Self {
        let mut stream = TcpStream::connect(web.address()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let resume = last_id.map(|id| format!("Last-Event-ID: {id}\r\n")).unwrap_or_default();
        write!(stream, "GET /api/v1/stream HTTP/1.1\r\nHost: {}\r\n{resume}\r\n", web.address()).unwrap();
        let mut page = Self(BufReader::new(stream));
        assert!(page.line().starts_with("HTTP/1.1 200"), "the stream opens");
        while !page.line().is_empty() {}
        page
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    /// The next message that is not a heartbeat.
    fn next(&mut self) -> Message {
        loop {
            let message = self.any();
            if message.event != "heartbeat" && !message.data.is_empty() {
                return message;
            }
        }
    }

    fn any(&mut self) -> Message {
        let mut message = Message::default();
        loop {
            let line = self.line();
            // Sizes of HTTP chunks stand between the lines.
            if let Some((field, value)) = line.split_once(':') {
                match field {
                    "event" => value.clone_into(&mut message.event),
                    "id" => value.clone_into(&mut message.id),
                    "data" => value.clone_into(&mut message.data),
                    _ => {}
                }
            } else if line.is_empty() {
                return message;
            }
        }
    }
}

fn changed(id: &str) -> LiveUpdate {
    LiveUpdate::InvestigationChanged { id: id.to_owned(), revision: 1, version: 1 }
}

#[test]
fn a_page_that_lost_its_connection_gets_what_it_missed_and_then_what_is_new() {
    let web = start();
    let mut page = Page::open(&web, None);
    web.hub.publish(changed("a"));
    let first = page.next();
    assert_eq!(first.event, "investigation_changed");
    assert_eq!(first.data, r#"{"type":"investigation_changed","id":"a","revision":1,"version":1}"#);
    drop(page);
    web.hub.publish(changed("b"));
    web.hub.publish(changed("c"));
    let mut page = Page::open(&web, Some(&first.id));
    assert!(page.next().data.contains("\"b\""));
    assert!(page.next().data.contains("\"c\""));
    web.hub.publish(changed("d"));
    assert!(page.next().data.contains("\"d\""));
}

#[test]
fn a_page_with_an_id_of_another_life_is_told_to_read_everything_anew() {
    let web = start();
    web.hub.publish(changed("a"));
    for foreign in ["12-1", "nonsense"] {
        let mut page = Page::open(&web, Some(foreign));
        let reset = page.next();
        assert_eq!(reset.event, "reset", "{foreign}");
        web.hub.publish(changed("b"));
        assert!(page.next().data.contains("\"b\""));
        let mut again = Page::open(&web, Some(&reset.id));
        assert!(again.next().data.contains("\"b\""), "the id of a reset is one to resume from");
    }
}

#[test]
fn a_silent_stream_still_beats() {
    let web = start();
    let mut page = Page::open(&web, None);
    let greeting = page.any();
    assert!(greeting.data.is_empty() && !greeting.id.is_empty(), "a place to resume from, before any update: {greeting:?}");
    let beat = std::iter::repeat_with(|| page.any()).find(|message| message.event == "heartbeat").unwrap();
    assert_eq!(beat.id, "", "a heartbeat does not move the place to resume from");
}

#[test]
fn a_page_that_does_not_read_is_let_go_and_counted_and_the_others_go_on() {
    let web = start();
    let _asleep = Page::open(&web, None);
    let deadline = Instant::now() + PATIENCE;
    while web.hub.dropped_streams() == 0 {
        assert!(Instant::now() < deadline, "the sleeping page was never let go");
        web.hub.publish(changed(&"x".repeat(1_000)));
    }
    let mut page = Page::open(&web, None);
    web.hub.publish(changed("awake"));
    assert!(page.next().data.contains("awake"));
}

#[test]
fn one_stream_more_than_allowed_is_refused_until_a_page_leaves() {
    let web = start_with(|options| options.max_streams = 2);
    let first = Page::open(&web, None);
    let _second = Page::open(&web, None);
    let refused = web.get("/stream");
    assert_eq!((refused.status, refused.header("retry-after")), (503, "5"));
    assert_eq!(web.get("/health").status, 200, "reads go on");
    drop(first);
    let deadline = Instant::now() + PATIENCE;
    while web.hub.open_streams() == 2 {
        assert!(Instant::now() < deadline, "the place was never given back");
        // The server notices a closed connection when it writes.
        web.hub.publish(changed("anything"));
        std::thread::yield_now();
    }
    while web.hub.open_streams() < 2 {
        assert!(Instant::now() < deadline, "no place for a new page");
        let mut stream = TcpStream::connect(web.address()).unwrap();
        write!(stream, "GET /api/v1/stream HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
        let mut head = [0; 12];
        stream.read_exact(&mut head).unwrap();
        if &head == b"HTTP/1.1 200" {
            return;
        }
    }
}

#[test]
fn shutting_down_ends_open_streams_at_once() {
    /// Twice what a busy machine needs.
    const SHUTDOWN_MS: u64 = 60_000;
    let mut web = start_with(|options| options.shutdown_ms = SHUTDOWN_MS);
    let mut pages: Vec<_> = (0..5).map(|_| Page::open(&web, None)).collect();
    web.shut_down(Duration::from_millis(SHUTDOWN_MS / 2));
    for page in &mut pages {
        let mut rest = String::new();
        page.0.read_to_string(&mut rest).unwrap();
        assert!(rest.ends_with("0\r\n\r\n"), "the stream ends properly, not cut: {rest:?}");
    }
    assert!(TcpStream::connect(web.address()).is_err(), "the port is closed");
}
