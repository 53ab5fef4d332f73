//! A topic that is not what the settings say must not drown the rest in dead letters.

use std::collections::{BTreeMap, VecDeque};

use crate::model::received;

/// Records that are looked back on.
const WINDOW: u64 = 10_000;
/// Share of them, percent, above which being rejected is the rule.
const MAX_REJECTED_PERCENT: u64 = 90;

/// Of the last 10,000 records of a connector, how many were rejected, and as which format.
#[derive(Clone, Debug, Default)]
pub struct TopicWatch {
    batches: VecDeque<Seen>,
    records: u64,
    rejected: u64,
    formats: BTreeMap<&'static str, u64>,
}

#[derive(Clone, Debug)]
struct Seen {
    records: u64,
    /// By the format they were tried as.
    rejected: BTreeMap<&'static str, u64>,
}

impl TopicWatch {
    /// Looks at one batch; `rejected` are the formats its rejected records were tried as. Says why the connector must pause when
    /// more than 90 % of the last 10,000 records were rejected.
    pub fn note(&mut self, records: u64, rejected: impl Iterator<Item = &'static str>) -> Option<Foreign> {
        let mut seen = Seen { records, rejected: BTreeMap::new() };
        for format in rejected {
            *seen.rejected.entry(format).or_default() += 1;
        }
        self.records += seen.records;
        for (format, count) in &seen.rejected {
            self.rejected += count;
            *self.formats.entry(format).or_default() += count;
        }
        self.batches.push_back(seen);
        // Whole batches go, and the window stays as small as it can without falling below its size.
        while self.batches.front().is_some_and(|oldest| self.records - oldest.records >= WINDOW) {
            self.forget_oldest();
        }
        let is_foreign = self.records >= WINDOW && self.rejected * 100 > self.records * MAX_REJECTED_PERCENT;
        is_foreign.then(|| Foreign { records: self.records, rejected: self.rejected, format: self.usual_format() })
    }

    fn forget_oldest(&mut self) {
        let Some(oldest) = self.batches.pop_front() else { return };
        self.records -= oldest.records;
        for (format, count) in oldest.rejected {
            self.rejected -= count;
            if let Some(sum) = self.formats.get_mut(format) {
                *sum -= count;
            }
        }
    }

    fn usual_format(&self) -> &'static str {
        self.formats.iter().max_by_key(|(_, count)| **count).map_or("unknown", |(format, _)| format)
    }

    /// A person, or other settings, let it try anew.
    pub fn forgive(&mut self) {
        *self = Self::default();
    }
}

/// What was seen of a topic that is not what the settings say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Foreign {
    pub records: u64,
    pub rejected: u64,
    /// What most of them were taken for.
    pub format: &'static str,
}

impl Foreign {
    /// For a person, with what to change. `reason` is that of the last rejection, `configured` the connector's format.
    pub fn sentence(&self, connector: &str, configured: &str, reason: &str) -> String {
        let Self { records, rejected, format } = *self;
        let advice = match configured {
            "auto" => format!("set connectors.{connector}.format to what it holds, or connectors.{connector}.topics to the right topic"),
            _ => format!(
                "connectors.{connector}.format is `{configured}`: set it to what the topic holds, or `auto`, or change connectors.{connector}.topics"
            ),
        };
        let advice = if received::is_connector(connector) {
            "Its dead letters show what comes: mend what sends it, then resume it".to_owned()
        } else {
            format!("Is it the right topic? {advice}, and start again; or resume it as it is")
        };
        let seen = match format {
            "auto" | "unknown" => "most are of no format that is known".to_owned(),
            format => format!("most were taken for `{format}`"),
        };
        format!(
            "paused, its offset held: {rejected} of the last {records} records could not be read; {seen}, the last said: {reason}. \
             {advice}"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noted(watch: &mut TopicWatch, batches: u64, rejected: usize) -> Option<Foreign> {
        (0..batches).find_map(|_| watch.note(500, std::iter::repeat_n("json_logs", rejected)))
    }

    #[test]
    fn nothing_is_said_before_ten_thousand_records_and_then_at_once() {
        let mut watch = TopicWatch::default();
        assert_eq!(noted(&mut watch, 19, 500), None);
        assert_eq!(noted(&mut watch, 1, 500), Some(Foreign { records: 10_000, rejected: 10_000, format: "json_logs" }));
    }

    #[test]
    fn nine_of_ten_bad_records_are_bad_and_no_reason_to_stop() {
        assert_eq!(noted(&mut TopicWatch::default(), 1_000, 450), None);
        assert!(noted(&mut TopicWatch::default(), 1_000, 451).is_some());
    }

    #[test]
    fn a_good_topic_that_turns_foreign_is_stopped_once_its_last_ten_thousand_are() {
        let mut watch = TopicWatch::default();
        assert_eq!(noted(&mut watch, 1_000, 0), None);
        assert_eq!(noted(&mut watch, 18, 500), None);
        assert!(noted(&mut watch, 1, 500).is_some());
        watch.forgive();
        assert_eq!(noted(&mut watch, 19, 500), None);
    }

    #[test]
    fn the_sentence_names_the_setting() {
        let foreign = Foreign { records: 10_000, rejected: 9_999, format: "json_logs" };
        assert!(foreign.sentence("logs", "auto", "not JSON").contains("connectors.logs.format"));
        let over_http = foreign.sentence("http-logs", "auto", "not JSON");
        assert!(!over_http.contains("connectors.") && over_http.contains("what sends it"), "no setting names its format: {over_http}");
        assert!(foreign.sentence("logs", "github", "not JSON").contains("is `github`"));
    }
}
