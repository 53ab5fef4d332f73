//! A pack written by the test itself, and archives.

use std::fs;
use std::path::{Path, PathBuf};

/// A pack of our own in the same layout: two services, one fault, one evening.
pub fn small_pack(folder: &Path) -> PathBuf {
    let root = folder.join("small");
    let label_s = 1_700_000_000_i64;
    let (case, quiet, metrics) = (root.join("cases/one"), root.join("quiet/day"), root.join("metrics/day"));
    for folder in [&case, &quiet, &metrics] {
        fs::create_dir_all(folder).unwrap();
    }
    let label = format!(
        r#"[{{"case":"one","day":"day","inject_time_unix":{label_s},"root_cause_service":"cart","fault_type":"return","fault_duration_s":180}}]"#
    );
    fs::write(root.join("labels.json"), label).unwrap();
    let (mut spans, mut logs) = (span_header(), log_header());
    for second in -120..200 {
        add_request(&mut spans, &mut logs, label_s + second, second);
    }
    fs::write(case.join("trace.csv"), &spans).unwrap();
    fs::write(case.join("log.csv"), &logs).unwrap();
    let (mut spans, mut logs) = (span_header(), log_header());
    for second in 0..60 {
        add_request(&mut spans, &mut logs, label_s + 600 + second, 1_000 + second);
    }
    fs::write(quiet.join("trace.csv"), &spans).unwrap();
    fs::write(quiet.join("log.csv"), &logs).unwrap();
    let mut rows = "Time,TimeStamp,PodName,CpuUsageRate(%),Reads\n".to_owned();
    for minute in -60..120 {
        rows += &format!("text,{},cart-1-a,{},NaN\n", label_s + minute * 60, 3 + minute % 2);
    }
    fs::write(metrics.join("cart-1-a_metric.csv"), rows).unwrap();
    root
}

fn span_header() -> String {
    "TraceID,SpanID,ParentID,PodName,OperationName,StartTimeUnixNano,EndTimeUnixNano,Duration\n".to_owned()
}

pub fn log_header() -> String {
    "Timestamp,TimeUnixNano,Node,PodName,Container,TraceID,SpanID,Log\n".to_owned()
}

fn add_request(spans: &mut String, logs: &mut String, at_s: i64, id: i64) {
    let (trace, start_ns) = (format!("{:032x}", id + 5_000), at_s * 1_000_000_000);
    *spans += &format!("{trace},00000000000000aa,root,front-1-a,/,{start_ns},{},9\n", start_ns + 9_000_000);
    *spans += &format!("{trace},00000000000000bb,00000000000000aa,cart-1-a,get,{},{},5\n", start_ns + 1_000_000, start_ns + 6_000_000);
    let text = format!(r#"{{""log"":""INFO get one, two TraceID: {trace} SpanID: 00000000000000bb\nsecond line\n""}}"#);
    *logs += &format!("t,{},n,cart-1-a,c,{trace},00000000000000bb,\"{text}\"\n", start_ns + 2_000_000);
}

/// An archive of whatever `fill` puts into it.
pub fn pack_up(path: &Path, fill: impl FnOnce(&mut tar::Builder<zstd::Encoder<'_, fs::File>>)) {
    let mut archive = tar::Builder::new(zstd::Encoder::new(fs::File::create(path).unwrap(), 1).unwrap());
    fill(&mut archive);
    archive.into_inner().unwrap().finish().unwrap();
}
