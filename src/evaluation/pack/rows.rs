//! Rows of a recording, as typed values.

use std::sync::Arc;

/// Where something ran.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pod {
    pub name: Arc<str>,
    /// The workload the pod belongs to.
    pub service: Arc<str>,
}

impl Pod {
    /// A Kubernetes Deployment names its pods `<workload>-<replica set>-<suffix>`; other names are workloads themselves.
    pub fn named(name: &str) -> Self {
        let mut parts = name.rsplitn(3, '-');
        let service = match (parts.next(), parts.next(), parts.next()) {
            (Some(_), Some(_), Some(workload)) if !workload.is_empty() => workload,
            _ => name,
        };
        Self { name: name.into(), service: service.into() }
    }
}

/// One finished span. Times are nanoseconds since the Unix epoch.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SpanRow {
    pub end_ns: i64,
    pub start_ns: i64,
    pub trace: u128,
    pub span: u64,
    /// 0 for the root.
    pub parent: u64,
    pub pod: Arc<Pod>,
    pub operation: Arc<str>,
}

/// One log line.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LogRow {
    pub time_ns: i64,
    /// 0 when the line has none.
    pub trace: u128,
    /// 0 when the line has none.
    pub span: u64,
    pub pod: Arc<Pod>,
    pub text: Box<str>,
}

/// Spans and logs of one stretch of time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Recording {
    /// By end.
    pub spans: Vec<SpanRow>,
    /// By time.
    pub logs: Vec<LogRow>,
}

impl Recording {
    pub fn sort(&mut self) {
        self.spans.sort_unstable();
        self.logs.sort_unstable();
    }

    /// Start of the earliest span.
    pub fn first_start_ns(&self) -> Option<i64> {
        self.spans.iter().map(|span| span.start_ns).min()
    }

    /// Newest time of any row.
    pub fn last_ns(&self) -> Option<i64> {
        let spans = self.spans.last().map(|span| span.end_ns);
        spans.max(self.logs.last().map(|log| log.time_ns))
    }
}

/// One metric of a header: `LatencyP90(s)` is `LatencyP90` in `s`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetricColumn {
    pub name: String,
    pub unit: String,
}

impl MetricColumn {
    pub fn parse(header: &str) -> Self {
        let header = header.trim();
        match header.strip_suffix(')').and_then(|rest| rest.rsplit_once('(')) {
            Some((name, unit)) if !name.trim().is_empty() => Self { name: name.trim().to_owned(), unit: unit.trim().to_owned() },
            _ => Self { name: header.to_owned(), unit: String::new() },
        }
    }
}

/// One scrape of one pod.
#[derive(Clone, Debug)]
pub struct MetricRow {
    pub time_ns: i64,
    pub pod: Arc<Pod>,
    /// Shared by all rows of a file.
    pub columns: Arc<[MetricColumn]>,
    /// Beside `columns`; `None` where the cell says nothing.
    pub values: Vec<Option<f64>>,
}

impl MetricRow {
    /// Value of a metric by its name.
    pub fn value(&self, metric: &str) -> Option<f64> {
        let index = self.columns.iter().position(|column| column.name == metric)?;
        self.values.get(index).copied().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pod_is_named_after_its_workload() {
        assert_eq!(&*Pod::named("cart-service-5f55b6cf68-77cfw").service, "cart-service");
        assert_eq!(&*Pod::named("db-0").service, "db-0");
        assert_eq!(&*Pod::named("frontend").service, "frontend");
        assert_eq!(&*Pod::named("-a-b").service, "-a-b");
        assert_eq!(&*Pod::named("").service, "");
    }

    #[test]
    fn a_header_splits_into_name_and_unit() {
        assert_eq!(MetricColumn::parse("Latency(s)"), MetricColumn { name: "Latency".into(), unit: "s".into() });
        assert_eq!(MetricColumn::parse("Reads"), MetricColumn { name: "Reads".into(), unit: String::new() });
        assert_eq!(MetricColumn::parse("(s)"), MetricColumn { name: "(s)".into(), unit: String::new() });
    }
}
