//! Sparklines of the list: drawn when findings are written, so that a page of rows costs no query.

use rusqlite::{Connection, params};

use super::error::Fault;
use crate::model::investigation::EngineFindings;
use crate::model::time::Bucket;

pub(super) const SPARK_VALUES: usize = 60;
/// Two hours of buckets, as wide as a value stands for.
const STEP_BUCKETS: i64 = 2 * 3_600 / Bucket::SECONDS / SPARK_VALUES as i64;
/// A sparkline sums the failures of at most this many of an investigation's hot services.
const SERVICES_LIMIT: usize = 8;

/// Failing items of the hot services over the two hours up to the newest bucket seen.
pub(super) fn draw(connection: &Connection, findings: &EngineFindings) -> Result<Vec<u64>, Fault> {
    let last = Bucket::of(findings.updated_at).0;
    let first = last - SPARK_VALUES as i64 * STEP_BUCKETS + 1;
    let mut services: Vec<&str> = findings.hot_services.iter().map(String::as_str).take(SERVICES_LIMIT).collect();
    if services.is_empty() {
        services.push(&findings.service_affected);
    }
    services.sort_unstable();
    services.dedup();
    let mut values = vec![0; SPARK_VALUES];
    let mut statement = connection.prepare_cached(
        "SELECT bucket, failing FROM bucket_rows INDEXED BY bucket_rows_failing \
         WHERE environment = ? AND service = ? AND bucket BETWEEN ? AND ? AND failing > 0",
    )?;
    for service in services {
        let mut rows = statement.query(params![findings.environment, service, first, last])?;
        while let Some(row) = rows.next()? {
            let (bucket, failing): (i64, u64) = (row.get(0)?, row.get(1)?);
            let place = usize::try_from((bucket - first) / STEP_BUCKETS).unwrap_or(usize::MAX);
            if let Some(value) = values.get_mut(place) {
                *value += failing;
            }
        }
    }
    Ok(values)
}
