//! A whole pack in one time line, day after day, for Kafka topics: event times stay as recorded.
//!
//! Traces and logs were recorded only around faults. Quiet traffic is therefore drawn for the five minutes before each
//! fault, or "logs arrived" would be a perfect detector.

use std::cmp::{Ordering, Reverse};
use std::collections::{BinaryHeap, VecDeque};

use super::episode;
use super::feed::{Arrival, Disorder, FeedRecord, Random, arrivals, order};
use super::otlp;
use super::pack::{MetricRow, Pack, Recording};
use super::pool::{Drawn, QuietPool};

/// Drawn quiet traffic before each fault's own records.
const FILLER_NS: i64 = 300_000_000_000;
/// Metrics played before a case that is asked for by name: a baseline to judge it by.
const CASE_METRICS_NS: i64 = 1_800_000_000_000;
/// Scrapes encoded at once: about an hour of fifty pods.
const SCRAPES: usize = 3_000;

#[derive(Clone, Debug, PartialEq)]
pub struct ReplayOptions {
    /// Same seed, same bytes.
    pub seed: u64,
    pub environment: String,
    pub disorder: Disorder,
    /// Days to play; all when empty.
    pub days: Vec<String>,
    /// Cases to play, each with the metrics of the half hour before it and without the day's quiet recordings; all when empty.
    pub cases: Vec<String>,
}

impl Default for ReplayOptions {
    fn default() -> Self {
        Self { seed: 0, environment: "recorded".to_owned(), disorder: Disorder::NONE, days: Vec::new(), cases: Vec::new() }
    }
}

/// Records of a pack in order of arrival, made piece by piece as they are asked for.
#[derive(Debug)]
pub struct ReplayStream<'a> {
    /// By the earliest time anything in them can have.
    blocks: VecDeque<Block<'a>>,
    pending: BinaryHeap<Reverse<Pending>>,
    options: ReplayOptions,
    disorder: Random,
}

#[derive(Debug)]
struct Block<'a> {
    first_ns: i64,
    content: Content<'a>,
}

#[derive(Debug)]
enum Content<'a> {
    Metrics(&'a [MetricRow]),
    Recorded(&'a Recording),
    Drawn(Vec<Drawn<'a>>),
}

#[derive(Debug, PartialEq, Eq)]
struct Pending(Arrival);

impl Ord for Pending {
    fn cmp(&self, other: &Self) -> Ordering {
        order(&self.0, &other.0)
    }
}

impl PartialOrd for Pending {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Pack {
    /// All records of the pack in order of arrival.
    pub fn replay_stream(&self, options: ReplayOptions) -> ReplayStream<'_> {
        let pool = QuietPool::of(self);
        let wanted = |day: &str| options.days.is_empty() || options.days.iter().any(|name| name == day);
        let all_cases = options.cases.is_empty();
        let labels = self.labels.iter().filter(|label| wanted(&label.day) && (all_cases || options.cases.contains(&label.case)));
        let spans = merged(labels.clone().filter_map(|label| extent(self.cases.get(&label.case)?)).collect());
        let mut blocks = Vec::new();
        for (_, rows) in self.metrics.iter().filter(|(day, _)| wanted(day)) {
            let parts = if all_cases { vec![rows.as_slice()] } else { spans.iter().map(|span| rows_of(rows, *span)).collect() };
            for rows in parts.into_iter().flat_map(|rows| rows.chunks(SCRAPES)) {
                blocks.extend(rows.first().map(|row| Block { first_ns: row.time_ns, content: Content::Metrics(rows) }));
            }
        }
        let quiet = self.quiet.iter().filter(|(day, _)| all_cases && wanted(day)).map(|(_, recording)| recording);
        let cases = labels.clone().filter_map(|label| self.cases.get(&label.case));
        let mut taken: Vec<(i64, i64)> = quiet.clone().chain(cases.clone()).filter_map(extent).collect();
        taken.sort_unstable();
        for recording in quiet.chain(cases) {
            blocks.extend(extent(recording).map(|(first_ns, _)| Block { first_ns, content: Content::Recorded(recording) }));
        }
        for label in labels {
            let Some((own_from_ns, _)) = self.cases.get(&label.case).and_then(extent) else { continue };
            let mut random = Random::named(&format!("replay/{}/{}", label.case, options.seed));
            for (from_ns, to_ns) in free(&taken, own_from_ns - FILLER_NS, own_from_ns) {
                let drawn = pool.draw(&mut random, from_ns, to_ns, Some(&label.case));
                let first_ns = drawn.iter().filter_map(Drawn::first_ns).min();
                blocks.extend(first_ns.map(|first_ns| Block { first_ns, content: Content::Drawn(drawn) }));
            }
        }
        blocks.sort_by_key(|block| block.first_ns);
        let disorder = Random::named(&format!("replay disorder/{}", options.seed));
        ReplayStream { blocks: blocks.into(), pending: BinaryHeap::new(), options, disorder }
    }
}

impl ReplayStream<'_> {
    fn take_in(&mut self, block: &Block) {
        let environment = &self.options.environment;
        let (mut spans, mut logs) = (Vec::new(), Vec::new());
        let mut records = Vec::new();
        match &block.content {
            Content::Metrics(rows) => records = otlp::metrics(*rows, environment),
            Content::Recorded(recording) => episode::add_own(recording, i64::MAX, &mut spans, &mut logs),
            Content::Drawn(drawn) => episode::add_drawn(drawn, &mut spans, &mut logs),
        }
        records.extend(otlp::spans(spans, environment));
        records.extend(otlp::logs(logs, environment));
        let arrivals = arrivals(records, self.options.disorder, &mut self.disorder);
        self.pending.extend(arrivals.into_iter().map(|arrival| Reverse(Pending(arrival))));
    }
}

impl Iterator for ReplayStream<'_> {
    type Item = FeedRecord;

    fn next(&mut self) -> Option<FeedRecord> {
        loop {
            let next_ns = self.pending.peek().map(|Reverse(pending)| pending.0.at.nanos());
            // A block may hold something that comes before the next pending record.
            match self.blocks.pop_front_if(|block| next_ns.is_none_or(|next_ns| block.first_ns <= next_ns)) {
                Some(block) => self.take_in(&block),
                None => return self.pending.pop().map(|Reverse(pending)| pending.0.record),
            }
        }
    }
}

/// Earliest start and newest time of a recording.
fn extent(recording: &Recording) -> Option<(i64, i64)> {
    let logs_from = recording.logs.first().map(|log| log.time_ns);
    let first_ns = recording.first_start_ns().into_iter().chain(logs_from).min()?;
    Some((first_ns, recording.last_ns()?))
}

/// Stretches of time with the metrics before each, in order, those that touch made one.
fn merged(mut spans: Vec<(i64, i64)>) -> Vec<(i64, i64)> {
    spans.sort_unstable();
    let mut merged: Vec<(i64, i64)> = Vec::new();
    for (first_ns, last_ns) in spans {
        let from_ns = first_ns - CASE_METRICS_NS;
        match merged.last_mut() {
            Some((_, to_ns)) if *to_ns >= from_ns => *to_ns = last_ns.max(*to_ns),
            _ => merged.push((from_ns, last_ns)),
        }
    }
    merged
}

/// Rows between two times; `rows` are sorted by time.
fn rows_of(rows: &[MetricRow], (from_ns, to_ns): (i64, i64)) -> &[MetricRow] {
    let from = rows.partition_point(|row| row.time_ns < from_ns);
    let to = rows.partition_point(|row| row.time_ns <= to_ns);
    &rows[from..to.max(from)]
}

/// What of `from_ns..to_ns` is not taken; `taken` is sorted.
fn free(taken: &[(i64, i64)], from_ns: i64, to_ns: i64) -> Vec<(i64, i64)> {
    let mut free = Vec::new();
    let mut at_ns = from_ns;
    for (first_ns, last_ns) in taken.iter().copied().filter(|(first_ns, last_ns)| *first_ns < to_ns && *last_ns > from_ns) {
        if first_ns > at_ns {
            free.push((at_ns, first_ns));
        }
        at_ns = at_ns.max(last_ns);
    }
    if at_ns < to_ns {
        free.push((at_ns, to_ns));
    }
    free
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cases_close_together_share_their_metrics() {
        let hour = 3_600_000_000_000;
        assert_eq!(
            merged(vec![(9 * hour, 9 * hour + 5), (5 * hour, 5 * hour + 5), (5 * hour + 7, 5 * hour + 9)]),
            [(5 * hour - CASE_METRICS_NS, 5 * hour + 9), (9 * hour - CASE_METRICS_NS, 9 * hour + 5)]
        );
    }

    #[test]
    fn filler_fills_only_what_is_free() {
        assert_eq!(free(&[], 0, 10), [(0, 10)]);
        assert_eq!(free(&[(3, 5)], 0, 10), [(0, 3), (5, 10)]);
        assert_eq!(free(&[(-5, 2), (1, 4), (8, 20)], 0, 10), [(4, 8)]);
        assert_eq!(free(&[(-5, 20)], 0, 10), []);
        assert_eq!(free(&[(20, 30)], 0, 10), [(0, 10)]);
    }
}
