//! Quiet traces to draw from: all stretches without a fault, trace by trace. Drawn one by one at the natural rate, what
//! other experiments left behind is spread evenly instead of coming and going.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::feed::Random;
use super::pack::{LogRow, Pack, Recording, SpanRow};

/// Faults in code act up to this long before their label.
const EARLY_S: i64 = 60;
/// Shorter stretches are left out: a rate of arrivals needs some time to be one.
const STRETCH_MIN_NS: i64 = 10_000_000_000;

/// One recorded trace without a fault, with the logs that belong to it.
#[derive(Debug)]
pub struct QuietTrace<'a> {
    /// When its root ended: the moment it is drawn for.
    pub root_end_ns: i64,
    pub spans: Vec<&'a SpanRow>,
    pub logs: Vec<&'a LogRow>,
}

/// A stretch of recorded time without a fault.
#[derive(Debug)]
struct Stretch<'a> {
    /// The case it precedes, or none.
    case: Option<&'a str>,
    width_ns: i64,
    traces: Vec<Arc<QuietTrace<'a>>>,
}

impl Stretch<'_> {
    fn width_s(&self) -> f64 {
        self.width_ns as f64 / 1e9
    }
}

/// All quiet stretches of a pack.
#[derive(Debug)]
pub struct QuietPool<'a> {
    stretches: Vec<Stretch<'a>>,
}

/// A drawn trace: every time moves by `shift_ns`, and its ids become its own.
#[derive(Debug)]
pub struct Drawn<'a> {
    pub trace: Arc<QuietTrace<'a>>,
    pub shift_ns: i64,
    pub trace_id: u128,
    pub span_mask: u64,
}

impl<'a> QuietPool<'a> {
    /// The minutes before each label (60 s less before faults in code), and the pack's quiet recordings.
    pub fn of(pack: &'a Pack) -> Self {
        let mut stretches = Vec::new();
        for label in &pack.labels {
            let Some(recording) = pack.cases.get(&label.case) else { continue };
            let Some(first_ns) = recording.first_start_ns() else { continue };
            let early_s = if label.may_act_early() { EARLY_S } else { 0 };
            let end_ns = label.at().plus_seconds(-early_s).nanos();
            if end_ns - first_ns >= STRETCH_MIN_NS {
                let traces = traces_of(recording).into_iter().filter(|trace| trace.root_end_ns < end_ns).collect();
                stretches.push(Stretch { case: Some(&label.case), width_ns: end_ns - first_ns, traces });
            }
        }
        for recording in pack.quiet.values() {
            let traces = traces_of(recording);
            let last_ns = traces.iter().map(|trace| trace.root_end_ns).max();
            if let (Some(first_ns), Some(last_ns)) = (recording.first_start_ns(), last_ns)
                && last_ns - first_ns >= STRETCH_MIN_NS
            {
                stretches.push(Stretch { case: None, width_ns: last_ns - first_ns, traces });
            }
        }
        Self { stretches }
    }

    /// Quiet seconds and traces, for the report.
    pub fn extent(&self) -> (f64, usize) {
        let width_s = self.stretches.iter().map(Stretch::width_s).sum();
        (width_s, self.stretches.iter().map(|stretch| stretch.traces.len()).sum())
    }

    /// Traces from `from_ns` to `to_ns` at the natural rate; the minutes before `without` are not drawn from, so that a
    /// case does not meet itself. Empty when there is nothing to draw.
    pub(super) fn draw(&self, random: &mut Random, from_ns: i64, to_ns: i64, without: Option<&str>) -> Vec<Drawn<'a>> {
        let stretches = || self.stretches.iter().filter(|stretch| without.is_none() || stretch.case != without);
        let traces: Vec<&Arc<QuietTrace<'a>>> = stretches().flat_map(|stretch| &stretch.traces).collect();
        let width_s: f64 = stretches().map(Stretch::width_s).sum();
        let Ok(count) = u32::try_from(traces.len()) else { return Vec::new() };
        if count == 0 || width_s <= 0.0 {
            return Vec::new();
        }
        let rate_per_s = f64::from(count) / width_s;
        let mut drawn = Vec::new();
        let mut at_ns = from_ns;
        loop {
            at_ns = at_ns.saturating_add(random.wait_ns(rate_per_s));
            if at_ns >= to_ns {
                return drawn;
            }
            let trace = Arc::clone(traces[random.below(count) as usize]);
            let trace_id = (u128::from(random.next()) << 64 | u128::from(random.next())).max(1);
            let shift_ns = at_ns - trace.root_end_ns;
            drawn.push(Drawn { trace, shift_ns, trace_id, span_mask: random.next() });
        }
    }
}

impl Drawn<'_> {
    /// Earliest time of the copy.
    pub fn first_ns(&self) -> Option<i64> {
        let spans = self.trace.spans.iter().map(|span| span.end_ns);
        let logs = self.trace.logs.iter().map(|log| log.time_ns);
        spans.chain(logs).min().map(|first_ns| first_ns.saturating_add(self.shift_ns))
    }

    /// The drawn copy's id of a recorded span; 0 (no span) stays 0.
    pub fn span_id(&self, recorded: u64) -> u64 {
        match recorded ^ self.span_mask {
            _ if recorded == 0 => 0,
            // Only for the one id that equals the mask.
            0 => self.span_mask,
            id => id,
        }
    }
}

/// Spans by trace, each with its logs, by the end of the root.
fn traces_of(recording: &Recording) -> Vec<Arc<QuietTrace<'_>>> {
    let mut traces: BTreeMap<u128, QuietTrace> = BTreeMap::new();
    for span in &recording.spans {
        let trace = traces.entry(span.trace).or_insert_with(|| QuietTrace { root_end_ns: i64::MIN, spans: Vec::new(), logs: Vec::new() });
        if span.parent == 0 {
            trace.root_end_ns = trace.root_end_ns.max(span.end_ns);
        }
        trace.spans.push(span);
    }
    for log in recording.logs.iter().filter(|log| log.trace != 0) {
        if let Some(trace) = traces.get_mut(&log.trace) {
            trace.logs.push(log);
        }
    }
    let mut traces: Vec<QuietTrace> = traces.into_values().collect();
    for trace in &mut traces {
        if trace.root_end_ns == i64::MIN {
            // No root was recorded: the last span's end stands for it.
            trace.root_end_ns = trace.spans.last().map_or(0, |span| span.end_ns);
        }
    }
    traces.sort_by_key(|trace| (trace.root_end_ns, trace.spans.first().map(|span| span.trace)));
    traces.into_iter().map(Arc::new).collect()
}
