//! Who calls whom, as it was at a time.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{Connection, OptionalExtension, params};

use crate::model::topology::{HOUR_BUCKETS, Topology, TopologyEdge, TopologyService, hour_of};
use crate::model::{Bucket, Timestamp};
use crate::store::error::Fault;

/// An edge without a call, or a mention, this long is not of the picture (30 min).
const LIVES_BUCKETS: i64 = 120;
/// Edges in one picture; of more the most called are shown.
const EDGES_LIMIT: usize = 20_000;

#[derive(Clone, Copy, Debug, Default)]
struct Sums {
    calls: u64,
    failed: u64,
    duration_ns: u64,
    mentions: u64,
    last: i64,
}

/// Edges with a call in the half hour before `at`, or with a mention where there was no call, with means since the hour before
/// began. A row tells of its whole hour, so that the numbers may reach past `at` to the end of its hour.
pub(super) fn topology(connection: &Connection, environment: Option<&str>, at: Option<Timestamp>) -> Result<Topology, Fault> {
    let environments = match environment {
        Some(name) => vec![name.to_owned()],
        None => environments(connection)?,
    };
    let newest = environments.iter().map(|name| newest_call(connection, name)).collect::<Result<Vec<_>, _>>()?.into_iter().flatten().max();
    let Some(now) = at.map(Bucket::of).or(newest) else { return Ok(Topology { at, ..Topology::default() }) };
    let mut edges = Vec::new();
    for name in environments {
        edges_at(connection, &name, now, &mut edges)?;
    }
    let services = services(&edges);
    let order = |edge: &TopologyEdge| (edge.environment.clone(), edge.caller.clone(), edge.callee.clone());
    edges.sort_by(|left, right| right.calls_per_second.total_cmp(&left.calls_per_second).then_with(|| order(left).cmp(&order(right))));
    let edges_cut = edges.len() > EDGES_LIMIT;
    edges.truncate(EDGES_LIMIT);
    Ok(Topology { at: at.or_else(|| newest.map(Bucket::end)), services, edges, edges_cut })
}

/// By the key's order, one look each.
fn environments(connection: &Connection) -> Result<Vec<String>, Fault> {
    let mut next = connection.prepare_cached("SELECT min(environment) FROM edge_hours WHERE environment > ?")?;
    let mut found = Vec::new();
    let mut last = connection.query_row("SELECT min(environment) FROM edge_hours", [], |row| row.get::<_, Option<String>>(0))?;
    while let Some(name) = last {
        last = next.query_row([&name], |row| row.get(0))?;
        found.push(name);
    }
    Ok(found)
}

fn newest_call(connection: &Connection, environment: &str) -> Result<Option<Bucket>, Fault> {
    let newest = connection
        .prepare_cached(
            "SELECT max(last) FROM edge_hours WHERE environment = ?1 AND hour = (SELECT max(hour) FROM edge_hours WHERE environment = ?1)",
        )?
        .query_row([environment], |row| row.get::<_, Option<i64>>(0))
        .optional()?;
    Ok(newest.flatten().map(Bucket))
}

fn edges_at(connection: &Connection, environment: &str, now: Bucket, out: &mut Vec<TopologyEdge>) -> Result<(), Fault> {
    let hour = hour_of(now).0;
    let (mut called, mut named): (BTreeMap<(String, String), Sums>, BTreeMap<_, _>) = Default::default();
    let (mut from, mut to) = (i64::MAX, i64::MIN);
    let mut statement = connection.prepare_cached(
        "SELECT caller, callee, first, last, calls, failed, duration_ns, mentions FROM edge_hours \
         WHERE environment = ? AND hour IN (?, ?) AND first <= ? ORDER BY hour",
    )?;
    let mut rows = statement.query(params![environment, hour - HOUR_BUCKETS, hour, now.0])?;
    while let Some(row) = rows.next()? {
        let (first, last): (i64, i64) = (row.get(2)?, row.get(3)?);
        let calls: u64 = row.get(4)?;
        if calls > 0 {
            (from, to) = (from.min(first), to.max(last));
        }
        let sums = if calls > 0 { &mut called } else { &mut named }.entry((row.get(0)?, row.get(1)?)).or_default();
        sums.calls = sums.calls.saturating_add(calls);
        sums.failed = sums.failed.saturating_add(row.get(5)?);
        sums.duration_ns = sums.duration_ns.saturating_add(row.get(6)?);
        sums.mentions = sums.mentions.saturating_add(row.get(7)?);
        sums.last = last.min(now.0);
    }
    // All edges are averaged over the same time: one that is called seldom is not called often.
    let seconds = (to.saturating_sub(from).saturating_add(1).max(1) as f64) * Bucket::SECONDS as f64;
    // A call that was seen is the better knowledge.
    called.retain(|_, sums| now.0 - sums.last <= LIVES_BUCKETS);
    named.retain(|edge, sums| now.0 - sums.last <= LIVES_BUCKETS && sums.mentions > 0 && !called.contains_key(edge));
    out.extend(called.into_iter().chain(named).map(|((caller, callee), sums)| TopologyEdge {
        environment: environment.to_owned(),
        caller,
        callee,
        calls_per_second: sums.calls as f64 / seconds,
        failed_share: sums.failed as f64 / sums.calls.max(1) as f64,
        mean_ms: sums.duration_ns as f64 / sums.calls.max(1) as f64 / 1e6,
        weak: sums.calls == 0,
        mentions: sums.mentions,
        last_seen: Bucket(sums.last).end(),
    }));
    Ok(())
}

fn services(edges: &[TopologyEdge]) -> Vec<TopologyService> {
    let ends = edges.iter().flat_map(|edge| [(&edge.environment, &edge.caller), (&edge.environment, &edge.callee)]);
    let names: BTreeSet<_> = ends.collect();
    let mut found: BTreeMap<_, (f64, f64, f64)> = names.into_iter().map(|name| (name, (0.0, 0.0, 0.0))).collect();
    for edge in edges {
        if let Some((_, out, _)) = found.get_mut(&(&edge.environment, &edge.caller)) {
            *out += edge.calls_per_second;
        }
        if let Some((calls, _, failed)) = found.get_mut(&(&edge.environment, &edge.callee)) {
            *calls += edge.calls_per_second;
            *failed += edge.calls_per_second * edge.failed_share;
        }
    }
    let service = |((environment, service), (calls, out, failed)): ((&String, &String), (f64, f64, f64))| TopologyService {
        environment: environment.clone(),
        service: service.clone(),
        calls_in_per_second: calls,
        calls_out_per_second: out,
        failed_share: if calls > 0.0 { failed / calls } else { 0.0 },
    };
    found.into_iter().map(service).collect()
}
