//! How often one address may ask. A token is shared and a name is a claim, so the principal is the address.
//!
//! Generic cell rate algorithm (ITU-T I.371): each address has a theoretical arrival time that every request moves on by
//! one interval; a whole minute's requests may come at once.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use warp::http::{HeaderMap, HeaderName, HeaderValue};

use super::rejection::Problem;
use crate::model::Timestamp;

const MINUTE_NANOS: i64 = 60_000_000_000;
/// Addresses remembered; the one nearest to a full allowance goes first.
const ADDRESSES_MAX: usize = 4_096;

/// What is left of an allowance, as `RateLimit` headers say it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    pub limit: u32,
    pub remaining: u32,
    /// Seconds until the allowance is whole again.
    pub reset_s: u32,
}

impl Budget {
    pub fn write(self, headers: &mut HeaderMap) {
        for (name, value) in [
            ("ratelimit-policy", format!("\"default\";q={};w=60", self.limit)),
            ("ratelimit", format!("\"default\";r={};t={}", self.remaining, self.reset_s)),
        ] {
            if let Ok(value) = HeaderValue::from_str(&value) {
                headers.insert(HeaderName::from_static(name), value);
            }
        }
    }
}

/// The allowances of all addresses.
#[derive(Debug)]
pub struct Allowances {
    per_minute: u32,
    /// Theoretical arrival times.
    arrivals: Mutex<BTreeMap<IpAddr, Timestamp>>,
}

impl Allowances {
    /// `per_minute` 0 means without limit.
    pub const fn new(per_minute: u32) -> Self {
        Self { per_minute, arrivals: Mutex::new(BTreeMap::new()) }
    }

    /// Takes one request from the address's allowance, or refuses it with the time to wait.
    pub fn take(&self, address: IpAddr, now: Timestamp) -> Result<Option<Budget>, Problem> {
        if self.per_minute == 0 {
            return Ok(None);
        }
        let interval = MINUTE_NANOS / i64::from(self.per_minute);
        let mut arrivals = self.arrivals.lock().unwrap_or_else(PoisonError::into_inner);
        let ahead = arrivals.get(&address).map_or(0, |arrival| (arrival.nanos().saturating_sub(now.nanos())).max(0));
        let next = ahead + interval;
        if next > MINUTE_NANOS {
            return Err(Problem::too_many_requests(whole_seconds(next - MINUTE_NANOS), self.per_minute));
        }
        if arrivals.len() >= ADDRESSES_MAX && !arrivals.contains_key(&address) {
            forget(&mut arrivals, now);
        }
        arrivals.insert(address, now.plus_nanos(next));
        let remaining = u32::try_from((MINUTE_NANOS - next) / interval).unwrap_or(0);
        Ok(Some(Budget { limit: self.per_minute, remaining, reset_s: whole_seconds(next) }))
    }
}

fn forget(arrivals: &mut BTreeMap<IpAddr, Timestamp>, now: Timestamp) {
    arrivals.retain(|_, arrival| *arrival > now);
    if arrivals.len() >= ADDRESSES_MAX
        && let Some(address) = arrivals.iter().min_by_key(|(_, arrival)| **arrival).map(|(address, _)| *address)
    {
        arrivals.remove(&address);
    }
}

/// At least one.
fn whole_seconds(nanos: i64) -> u32 {
    u32::try_from((nanos + 999_999_999) / 1_000_000_000).unwrap_or(u32::MAX).max(1)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    #[test]
    fn a_minutes_requests_may_come_at_once_and_then_at_their_rate() {
        let allowances = Allowances::new(60);
        let address: IpAddr = "10.0.0.1".parse().unwrap();
        let start = Timestamp::from_seconds(1_000);
        for taken in 1..=60 {
            assert_eq!(allowances.take(address, start).unwrap().unwrap().remaining, 60 - taken);
        }
        let refused = allowances.take(address, start).unwrap_err();
        assert_eq!((refused.status, refused.retry_after_s), (429, Some(1)));
        assert!(allowances.take("10.0.0.2".parse().unwrap(), start).is_ok(), "others are not touched");
        assert!(allowances.take(address, start.plus_seconds(1)).is_ok());
        assert!(allowances.take(address, start.plus_seconds(1)).is_err());
        assert_eq!(allowances.take(address, start.plus_seconds(3_600)).unwrap().unwrap().remaining, 59);
    }

    #[test]
    fn many_addresses_do_not_fill_memory() {
        let allowances = Allowances::new(10);
        for number in 0..ADDRESSES_MAX as u32 * 2 {
            assert!(allowances.take(IpAddr::from(number.to_be_bytes()), Timestamp::from_seconds(5)).is_ok());
        }
        assert_eq!(allowances.arrivals.lock().unwrap().len(), ADDRESSES_MAX);
    }
}
