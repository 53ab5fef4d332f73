//! What to remove next, and what to say of it before.

use serde::{Deserialize, Serialize};

use crate::model::retention::{Announcement, Holdings, Removal, RetentionView};
use crate::model::{Bucket, Timestamp};

const DAY_S: i64 = 86_400;
const HOUR_S: i64 = 3_600;
const MIB: u64 = 1_048_576;
/// Over the size limit, what goes at a time is this share of the time kept, so that not more goes than must.
const SLICES: i64 = 50;
/// The newest hours stay whatever the size: what is being investigated needs them.
const ALWAYS_KEPT_S: i64 = 6 * HOUR_S;
/// Free pages worth giving back to the disk; fewer are soon used again.
const FREE_SHARE: u64 = 8;
const FREE_BYTES: u64 = 16 * MIB;
/// From this share of a size limit on it is said that the oldest will go.
const NEAR_PERCENT: u64 = 90;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RetentionOptions {
    /// Days that events, bucket rows and charts of ended investigations are kept, by event time; 0 keeps them for ever.
    pub max_age_days: u32,
    /// Size of the database in use above which the oldest goes, MiB; 0 means no limit.
    pub max_size_mib: u64,
    /// Days that dead letters are kept after they failed last; 0 keeps them for ever.
    pub letters_max_age_days: u32,
    /// Bytes of dead letters above which the oldest go, MiB; 0 means no limit.
    pub letters_max_mib: u64,
    /// How long ahead a removal is announced, hours.
    pub announce_h: u32,
    /// How often to look whether something is due, seconds.
    pub interval_s: u32,
}

impl Default for RetentionOptions {
    fn default() -> Self {
        Self { max_age_days: 30, max_size_mib: 20_480, letters_max_age_days: 30, letters_max_mib: 2_048, announce_h: 24, interval_s: 60 }
    }
}

impl RetentionOptions {
    /// Nothing is ever removed: recorded runs and tests.
    pub const fn keeps_all() -> Self {
        Self { max_age_days: 0, max_size_mib: 0, letters_max_age_days: 0, letters_max_mib: 0, announce_h: 24, interval_s: 3_600 }
    }

    pub const fn removes_nothing(&self) -> bool {
        self.max_age_days == 0 && self.max_size_mib == 0 && self.letters_max_age_days == 0 && self.letters_max_mib == 0
    }

    /// What cannot work, by key.
    pub fn problems(&self) -> Vec<(&'static str, String)> {
        let mut problems = Vec::new();
        if !(1..=86_400).contains(&self.interval_s) {
            problems.push(("interval_s", format!("{} is outside 1 to 86400", self.interval_s)));
        }
        if !(1..=8_760).contains(&self.announce_h) {
            problems.push(("announce_h", format!("{} is outside 1 to 8760", self.announce_h)));
        }
        problems
    }

    fn age_limit(&self, reference: Timestamp) -> Option<Timestamp> {
        (self.max_age_days > 0).then(|| reference.plus_seconds(-i64::from(self.max_age_days) * DAY_S))
    }

    fn letters_limit(&self, now: Timestamp) -> Option<Timestamp> {
        (self.letters_max_age_days > 0).then(|| now.plus_seconds(-i64::from(self.letters_max_age_days) * DAY_S))
    }

    /// Before this, letters are due within the time of the announcement.
    pub fn letters_due_before(&self, now: Timestamp) -> Timestamp {
        let ahead = now.plus_seconds(i64::from(self.announce_h) * HOUR_S);
        self.letters_limit(ahead).unwrap_or(Timestamp::MIN)
    }
}

/// What is to go now, in this order. `closed` is the event time up to which buckets are closed: what events and rows are judged by, so
/// that records of another year are kept as long as those of today. Before any bucket is closed, nothing is too old.
pub fn plan(options: &RetentionOptions, holdings: &Holdings, now: Timestamp, closed: Option<Timestamp>) -> Vec<Removal> {
    let mut plan = Vec::new();
    let reference = closed.map_or(now, |closed| closed.min(now));
    if let Some(before) = options.letters_limit(now).filter(|before| holdings.oldest_letter.is_some_and(|oldest| oldest < *before)) {
        plan.push(Removal::Letters { before });
    } else if let Some(before) = letters_over(options, holdings, now) {
        plan.push(Removal::Letters { before });
    }
    let by_age = closed.and_then(|closed| options.age_limit(closed.min(now)));
    let by_size = over_size(options, holdings, reference);
    if let Some(before) = by_age.max(by_size) {
        let bucket = Bucket::of(before);
        if holdings.oldest_bucket.is_some_and(|oldest| oldest < bucket) {
            plan.push(Removal::Rows { before: bucket });
        }
        if holdings.oldest_event.is_some_and(|oldest| oldest < before) {
            plan.push(Removal::Events { before });
        }
        if holdings.oldest_ended.is_some_and(|oldest| oldest < before) {
            plan.push(Removal::Charts { before });
        }
    }
    if holdings.free_bytes >= FREE_BYTES && holdings.free_bytes > (holdings.used_bytes + holdings.free_bytes) / FREE_SHARE {
        plan.push(Removal::Space);
    }
    plan
}

/// End of the oldest slice of letters, when they are too many bytes.
fn letters_over(options: &RetentionOptions, holdings: &Holdings, now: Timestamp) -> Option<Timestamp> {
    let limit = options.letters_max_mib.saturating_mul(MIB);
    let oldest = holdings.oldest_letter.filter(|_| limit > 0 && holdings.letter_bytes > limit)?;
    Some(slice(oldest, now))
}

/// End of the oldest slice of events and rows, when the file is too large.
fn over_size(options: &RetentionOptions, holdings: &Holdings, reference: Timestamp) -> Option<Timestamp> {
    let limit = options.max_size_mib.saturating_mul(MIB);
    if limit == 0 || holdings.used_bytes <= limit {
        return None;
    }
    let oldest = [holdings.oldest_event, holdings.oldest_bucket.map(Bucket::start)].into_iter().flatten().min()?;
    let newest_to_go = reference.plus_seconds(-ALWAYS_KEPT_S);
    (oldest < newest_to_go).then(|| slice(oldest, newest_to_go))
}

fn slice(oldest: Timestamp, end: Timestamp) -> Timestamp {
    let span = end.nanos().saturating_sub(oldest.nanos());
    Timestamp::from_nanos(oldest.nanos().saturating_add((span / SLICES).max(1)))
}

/// What people are told: what goes next, when and why, and what has gone.
pub fn view(options: &RetentionOptions, holdings: &Holdings, now: Timestamp, closed: Option<Timestamp>) -> RetentionView {
    let mut next = Vec::new();
    next.extend(letters_by_age(options, holdings, now));
    next.extend(letters_by_bytes(options, holdings));
    next.extend(by_age(options, holdings, now, closed));
    next.extend(by_size(options, holdings));
    next.sort_by_key(|announcement: &Announcement| announcement.at.unwrap_or(now));
    RetentionView {
        max_age_days: options.max_age_days,
        max_size_mib: options.max_size_mib,
        used_bytes: holdings.used_bytes,
        next,
        removed: holdings.removed.clone(),
    }
}

fn letters_by_age(options: &RetentionOptions, holdings: &Holdings, now: Timestamp) -> Option<Announcement> {
    let oldest = holdings.oldest_letter.filter(|_| options.letters_max_age_days > 0)?;
    let at = oldest.plus_seconds(i64::from(options.letters_max_age_days) * DAY_S).max(now);
    let soon = if holdings.letters_due > 0 {
        format!("{} dead letters ({} bytes) are removed within {} h", holdings.letters_due, holdings.letter_bytes_due, options.announce_h)
    } else {
        "the oldest dead letter is removed".to_owned()
    };
    let sentence = format!(
        "{soon}, from {at} on, because they failed {} days before; replay or export them, or raise retention.letters_max_age_days",
        options.letters_max_age_days
    );
    let (count, bytes) = (Some(holdings.letters_due), Some(holdings.letter_bytes_due));
    Some(Announcement { kind: "dead_letters".to_owned(), at: Some(at), count, bytes, sentence })
}

fn letters_by_bytes(options: &RetentionOptions, holdings: &Holdings) -> Option<Announcement> {
    let limit = options.letters_max_mib.saturating_mul(MIB);
    if limit == 0 || holdings.letter_bytes < limit / 100 * NEAR_PERCENT {
        return None;
    }
    let sentence = format!(
        "dead letters hold {} MiB of at most {}: above that the oldest go; replay, discard or export them, or raise retention.letters_max_mib",
        holdings.letter_bytes / MIB,
        options.letters_max_mib
    );
    Some(Announcement { kind: "dead_letters".to_owned(), at: None, count: None, bytes: None, sentence })
}

fn by_age(options: &RetentionOptions, holdings: &Holdings, now: Timestamp, closed: Option<Timestamp>) -> Option<Announcement> {
    let oldest = [holdings.oldest_event, holdings.oldest_bucket.map(Bucket::start)].into_iter().flatten().min()?;
    let limit = options.age_limit(closed?.min(now))?;
    let at = now.plus_seconds((oldest.seconds_since(limit).max(0.0)) as i64);
    let sentence = format!(
        "events and counts older than {} days are removed, the next from {at} on; open investigations keep theirs. Raise \
         retention.max_age_days to keep more",
        options.max_age_days
    );
    Some(Announcement { kind: "events".to_owned(), at: Some(at), count: None, bytes: None, sentence })
}

fn by_size(options: &RetentionOptions, holdings: &Holdings) -> Option<Announcement> {
    let limit = options.max_size_mib.saturating_mul(MIB);
    if limit == 0 || holdings.used_bytes < limit / 100 * NEAR_PERCENT {
        return None;
    }
    let sentence = format!(
        "the database uses {} MiB of at most {}: above that the oldest events and counts go, whatever their age. Raise \
         retention.max_size_mib to keep more",
        holdings.used_bytes / MIB,
        options.max_size_mib
    );
    Some(Announcement { kind: "events".to_owned(), at: None, count: None, bytes: None, sentence })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

    fn days_ago(days: i64) -> Timestamp {
        NOW.plus_seconds(-days * DAY_S)
    }

    fn holdings() -> Holdings {
        Holdings {
            used_bytes: 100 * MIB,
            oldest_event: Some(days_ago(10)),
            oldest_bucket: Some(Bucket::of(days_ago(10))),
            letters: 3,
            letter_bytes: 3_000,
            oldest_letter: Some(days_ago(5)),
            ..Holdings::default()
        }
    }

    #[test]
    fn nothing_goes_while_everything_is_young_and_small() {
        assert_eq!(plan(&RetentionOptions::default(), &holdings(), NOW, Some(NOW)), []);
        let old =
            Holdings { oldest_event: Some(days_ago(4_000)), oldest_letter: Some(days_ago(4_000)), used_bytes: u64::MAX / 4, ..holdings() };
        assert_eq!(plan(&RetentionOptions::keeps_all(), &old, NOW, Some(NOW)), []);
    }

    #[test]
    fn what_is_older_than_the_limit_goes() {
        let old = Holdings {
            oldest_event: Some(days_ago(31)),
            oldest_bucket: Some(Bucket::of(days_ago(31))),
            oldest_letter: Some(days_ago(31)),
            oldest_ended: Some(days_ago(31)),
            ..holdings()
        };
        let before = days_ago(30);
        let wanted = [
            Removal::Letters { before },
            Removal::Rows { before: Bucket::of(before) },
            Removal::Events { before },
            Removal::Charts { before },
        ];
        assert_eq!(plan(&RetentionOptions::default(), &old, NOW, Some(NOW)), wanted);
    }

    #[test]
    fn records_of_another_year_are_as_old_as_the_newest_among_them() {
        let replayed = Holdings { oldest_event: Some(days_ago(401)), oldest_bucket: Some(Bucket::of(days_ago(401))), ..holdings() };
        assert_eq!(plan(&RetentionOptions::default(), &replayed, NOW, Some(days_ago(400))), []);
        // A clock that is wrong in the future removes nothing that is young by our own.
        assert_eq!(plan(&RetentionOptions::default(), &holdings(), NOW, Some(NOW.plus_seconds(900 * DAY_S))), []);
    }

    #[test]
    fn above_the_size_the_oldest_goes_a_slice_at_a_time_and_the_newest_hours_stay() {
        let options = RetentionOptions { max_size_mib: 50, ..RetentionOptions::default() };
        let found = plan(&options, &holdings(), NOW, Some(NOW));
        let [Removal::Rows { .. }, Removal::Events { before }] = found.as_slice() else { panic!("{found:?}") };
        let (from, to) = (days_ago(10), days_ago(9));
        assert!(*before > from && *before < to, "{before}");
        let young = Holdings { oldest_event: Some(NOW.plus_seconds(-HOUR_S)), oldest_bucket: Some(Bucket::of(NOW)), ..holdings() };
        assert_eq!(plan(&options, &young, NOW, Some(NOW)), []);
    }

    #[test]
    fn letters_above_their_bytes_go_oldest_first() {
        let options = RetentionOptions { letters_max_mib: 1, ..RetentionOptions::default() };
        let many = Holdings { letter_bytes: 2 * MIB, ..holdings() };
        let found = plan(&options, &many, NOW, Some(NOW));
        let [Removal::Letters { before }] = found.as_slice() else { panic!("{found:?}") };
        assert!(*before > days_ago(5) && *before < days_ago(4), "{before}");
    }

    #[test]
    fn free_pages_are_given_back_when_they_are_many() {
        let roomy = Holdings { free_bytes: 50 * MIB, ..holdings() };
        assert_eq!(plan(&RetentionOptions::default(), &roomy, NOW, Some(NOW)), [Removal::Space]);
        assert_eq!(plan(&RetentionOptions::default(), &Holdings { free_bytes: MIB, ..holdings() }, NOW, Some(NOW)), []);
    }

    #[test]
    fn a_removal_is_announced_before_with_when_how_much_and_what_to_do() {
        let options = RetentionOptions::default();
        let due = Holdings { oldest_letter: Some(days_ago(30).plus_seconds(7_200)), letters_due: 2, letter_bytes_due: 500, ..holdings() };
        assert_eq!(plan(&options, &due, NOW, Some(NOW)), [], "announced, and not yet removed");
        let told = view(&options, &due, NOW, Some(NOW));
        let letters = &told.next[0];
        assert_eq!((letters.kind.as_str(), letters.at, letters.count), ("dead_letters", Some(NOW.plus_seconds(7_200)), Some(2)));
        assert!(letters.sentence.contains("2 dead letters (500 bytes) are removed within 24 h"), "{}", letters.sentence);
        assert!(letters.sentence.contains("retention.letters_max_age_days"));
        assert_eq!(told.next[1].at, Some(NOW.plus_seconds(20 * DAY_S)), "events ten days old go in twenty");
        assert!(options.letters_due_before(NOW) > days_ago(30) && options.letters_due_before(NOW) <= days_ago(29));
    }
}
