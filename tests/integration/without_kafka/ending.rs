//! An end on request, while requests come.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use whydunit::clock;

use super::bodies::{JSON, log_json};
use super::{Answer, PATIENCE, assert_closes, send, settings, try_send, wait_booked};
use crate::support::process::Home;

const SENDERS: usize = 4;
/// An answer that waits for nothing, on a busy machine.
const AT_ONCE: Duration = Duration::from_secs(3);

/// A request of which the last byte has not come.
struct Half<'b> {
    stream: TcpStream,
    rest: &'b [u8],
}

impl<'b> Half<'b> {
    fn sent(address: &str, path: &str, body: &'b [u8]) -> Self {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let (first, rest) = body.split_at(body.len() / 2);
        let head =
            format!("POST {path} HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n", body.len());
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(first).unwrap();
        Self { stream, rest }
    }

    /// Sends the rest; the head of the answer in small letters, once the connection is closed.
    fn completed(mut self) -> String {
        self.stream.write_all(self.rest).unwrap();
        let mut head = String::new();
        let mut answer = BufReader::new(self.stream);
        while answer.read_line(&mut head).unwrap() > 2 {}
        answer.read_to_end(&mut Vec::new()).unwrap();
        head.to_ascii_lowercase()
    }
}

#[test]
fn a_request_that_comes_after_the_signal_is_sent_elsewhere_at_once() {
    let home = Home::new(&settings(""));
    let run = home.run();
    let body = log_json("cart", 2, clock::now());
    assert_eq!(send(&run, "/v1/logs", &[JSON], &body).status, 200);
    let (otlp, webhook) = (Half::sent(run.address(), "/v1/logs", &body), Half::sent(run.address(), "/ingest/logs", &body));
    run.signal(Signal::TERM);
    let address = run.address().to_owned();
    let mut taken = 1;
    // It may be taken a moment longer; then there is a refusal, or nobody listens any more.
    while try_send(&address, "/v1/logs", &[JSON], &body).is_some_and(|answer| answer.status == 200) {
        taken += 1;
    }
    let began = Instant::now();
    for half in [otlp, webhook] {
        let head = half.completed();
        assert!(head.starts_with("http/1.1 503"), "{head}");
        assert!(head.contains("connection: close") && head.contains("retry-after: "), "{head}");
    }
    assert!(began.elapsed() < AT_ONCE, "{:?}", began.elapsed());
    let (status, said) = run.ended(PATIENCE);
    assert!(status.is_some_and(|status| status.success()), "{status:?}: {said}");

    let run = home.run();
    wait_booked(&run, "http-logs", "items_decoded", taken * 2);
    run.terminate();
    assert_closes(&home);
}

/// Sends until it is told to go elsewhere; how many were answered with success, and the last answer.
fn send_on(address: &str, service: &str, sent: &AtomicU64) -> (u64, Option<Answer>) {
    for taken in 0.. {
        let began = Instant::now();
        let answer = try_send(address, "/v1/logs", &[JSON], &log_json(service, 3, clock::now()));
        assert!(began.elapsed() < AT_ONCE, "an answer after {:?}", began.elapsed());
        match answer {
            Some(answer) if answer.status == 200 => sent.fetch_add(1, Ordering::SeqCst),
            other => return (taken, other),
        };
    }
    unreachable!()
}

#[test]
fn what_is_under_way_at_the_end_is_answered_when_it_is_durable() {
    let home = Home::new(&settings(""));
    let run = home.run();
    let address = run.address().to_owned();
    let sent = AtomicU64::new(0);
    let (taken, said) = std::thread::scope(|scope| {
        let senders: Vec<_> = (0..SENDERS)
            .map(|number| {
                let (address, sent) = (&address, &sent);
                scope.spawn(move || send_on(address, &format!("sender-{number}"), sent))
            })
            .collect();
        run.wait_until("requests are answered", PATIENCE, |_| sent.load(Ordering::SeqCst) > 50);
        run.signal(Signal::TERM);
        let (status, said) = run.ended(PATIENCE);
        assert!(status.is_some_and(|status| status.success()), "{status:?}: {said}");
        let mut taken = 0;
        for sender in senders {
            let (count, last) = sender.join().unwrap();
            taken += count;
            // Nobody listening is an answer too.
            let Some(last) = last else { continue };
            assert_eq!((last.status, last.header("connection")), (503, "close"), "{}", last.text());
            assert!(last.text().contains("is ending"), "{}", last.text());
        }
        (taken, said)
    });
    assert!(!said.contains("answers under way were cut"), "{said}");
    let run = home.run();
    run.wait_until("all of it is read", PATIENCE, |run| super::booked(run, "http-logs", "items_decoded") >= taken * 3);
    let read = super::booked(&run, "http-logs", "items_decoded");
    assert!(read <= (taken + SENDERS as u64) * 3, "{read} of {taken} requests of three lines");
    run.terminate();
    assert_closes(&home);
}
