//! Log lines → `ExportLogsServiceRequest`.

use std::borrow::Cow;

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs, SeverityNumber};

use super::{Item, batches, record, resource, span_bytes, text, trace_bytes, unsigned};
use crate::evaluation::feed::{FeedRecord, LOGS_TOPIC};
use crate::evaluation::pack::{LogRow, Pod};
use crate::model::Source;

/// Words at the front of a line among which its level is looked for.
const LEVEL_WORDS: usize = 5;

/// A recorded line as it is to be sent: moved in time, under the ids given here.
#[derive(Clone, Debug)]
pub struct LogItem<'a> {
    pub row: &'a LogRow,
    pub shift_ns: i64,
    pub trace: u128,
    pub span: u64,
    pub text: Cow<'a, str>,
}

impl<'a> LogItem<'a> {
    /// The line as it was recorded.
    pub fn recorded(row: &'a LogRow) -> Self {
        Self { row, shift_ns: 0, trace: row.trace, span: row.span, text: Cow::Borrowed(&row.text) }
    }

    /// The line under other ids: where its text spells the recorded ones, it spells the new ones.
    pub fn renamed(row: &'a LogRow, shift_ns: i64, trace: u128, span: u64) -> Self {
        let mut text = Cow::Borrowed(&*row.text);
        for (old, new) in [(format!("{:032x}", row.trace), format!("{trace:032x}")), (format!("{:016x}", row.span), format!("{span:016x}"))]
        {
            if text.contains(&old) {
                text = Cow::Owned(text.replace(&old, &new));
            }
        }
        Self { row, shift_ns, trace, span, text }
    }

    fn to_otlp(&self) -> LogRecord {
        let (number, level) = severity(&self.text);
        let time_ns = unsigned(self.time_ns());
        LogRecord {
            time_unix_nano: time_ns,
            observed_time_unix_nano: time_ns,
            severity_number: number.into(),
            severity_text: level.to_owned(),
            body: Some(text(&self.text)),
            trace_id: trace_bytes(self.trace),
            span_id: span_bytes(self.span),
            ..LogRecord::default()
        }
    }
}

impl Item for LogItem<'_> {
    fn time_ns(&self) -> i64 {
        self.row.time_ns.saturating_add(self.shift_ns)
    }

    fn pod(&self) -> &Pod {
        &self.row.pod
    }
}

/// Records of at most 50 lines and 200 ms of one pod each; a record's timestamp is its newest line's.
pub fn logs(mut items: Vec<LogItem>, environment: &str) -> Vec<FeedRecord> {
    items.sort_by(|a, b| (a.time_ns(), a.trace, a.span, &a.text).cmp(&(b.time_ns(), b.trace, b.span, &b.text)));
    let to_record = |batch: Vec<LogItem>| {
        let last = batch.last()?;
        let (pod, newest_ns) = (last.pod(), last.time_ns());
        let log_records = batch.iter().map(LogItem::to_otlp).collect();
        let scope_logs = vec![ScopeLogs { log_records, ..ScopeLogs::default() }];
        let resource_logs = vec![ResourceLogs { resource: Some(resource(pod, environment)), scope_logs, ..ResourceLogs::default() }];
        Some(record(LOGS_TOPIC, Source::Logs, pod, newest_ns, &ExportLogsServiceRequest { resource_logs }))
    };
    batches(items).into_iter().filter_map(to_record).collect()
}

/// The level a line states near its front.
fn severity(line: &str) -> (SeverityNumber, &str) {
    for word in line.split_whitespace().take(LEVEL_WORDS) {
        let level = word.trim_matches(|letter: char| !letter.is_ascii_alphabetic());
        if let Some(number) = level_number(level) {
            return (number, level);
        }
    }
    (SeverityNumber::Unspecified, "")
}

/// The severity of a level's name, in capitals.
pub(in crate::evaluation) fn level_number(level: &str) -> Option<SeverityNumber> {
    Some(match level {
        "TRACE" => SeverityNumber::Trace,
        "DEBUG" => SeverityNumber::Debug,
        "INFO" | "NOTICE" => SeverityNumber::Info,
        "WARN" | "WARNING" => SeverityNumber::Warn,
        "ERROR" | "SEVERE" => SeverityNumber::Error,
        "FATAL" | "CRITICAL" | "EMERGENCY" => SeverityNumber::Fatal,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn the_level_is_read_from_the_front_of_a_line() {
        assert_eq!(severity("16:42:22.382 INFO  t.s.Impl started"), (SeverityNumber::Info, "INFO"));
        assert_eq!(severity("[ERROR] no"), (SeverityNumber::Error, "ERROR"));
        assert_eq!(severity("no level in these first words ERROR").0, SeverityNumber::Unspecified);
        assert_eq!(severity("").0, SeverityNumber::Unspecified);
    }

    #[test]
    fn a_renamed_line_spells_its_new_ids() {
        let (trace, span) = (0xab_u128, 0xcd_u64);
        let text = format!("TraceID: {trace:032x} SpanID: {span:016x} done").into();
        let row = LogRow { time_ns: 5, trace, span, pod: Arc::new(Pod::named("a-b-c")), text };
        let item = LogItem::renamed(&row, 1, 0xef, 0x12);
        assert_eq!(item.text, format!("TraceID: {:032x} SpanID: {:016x} done", 0xef, 0x12));
        assert_eq!(item.time_ns(), 6);
    }
}
