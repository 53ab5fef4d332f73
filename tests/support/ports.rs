//! Ports for servers that are started with a number, and that may be stopped and started on it again.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::net::{TcpListener, UdpSocket};
use std::sync::atomic::{AtomicU16, Ordering};

/// Below this stand ports that people give to servers of their own.
const FIRST: u16 = 10_000;
/// Where Linux begins to give out ports by itself, unless it is told otherwise.
const USUAL_EPHEMERAL: (u16, u16) = (32_768, 60_999);

/// A TCP port of this machine that is ours as long as the value lives, whether or not a server listens there just now.
///
/// The system gives it to nobody: it lies outside the range that outgoing connections and port 0 take theirs from, so that none of
/// them can sit on it while a server is down. Other tests, in this process or another, leave it alone: the UDP port of the same
/// number is held for it.
pub struct Port {
    number: u16,
    _mark: UdpSocket,
}

impl Port {
    pub fn reserve() -> Self {
        static NEXT: AtomicU16 = AtomicU16::new(0);
        let (first, last) = range();
        let width = last - first + 1;
        // Processes that begin at different places seldom meet.
        let begin = (std::process::id() % u32::from(width)) as u16;
        (0..width)
            .find_map(|_| Self::try_reserve(first + (begin + NEXT.fetch_add(1, Ordering::SeqCst) % width) % width))
            .expect("a free port")
    }

    fn try_reserve(number: u16) -> Option<Self> {
        let mark = UdpSocket::bind(("127.0.0.1", number)).ok()?;
        // Nobody listens there now, and nobody who asks here will.
        TcpListener::bind(("0.0.0.0", number)).ok()?;
        Some(Self { number, _mark: mark })
    }

    pub const fn number(&self) -> u16 {
        self.number
    }
}

/// The wider side of what the system gives out by itself; first and last port.
fn range() -> (u16, u16) {
    let text = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    let mut numbers = text.split_whitespace().filter_map(|number| number.parse::<u16>().ok());
    let (low, high) = numbers.next().zip(numbers.next()).unwrap_or(USUAL_EPHEMERAL);
    let (below, above) = (low.saturating_sub(FIRST), u16::MAX - high);
    if below >= above.max(100) {
        (FIRST, low - 1)
    } else if above >= 100 {
        (high + 1, u16::MAX)
    } else {
        (FIRST, u16::MAX)
    }
}
