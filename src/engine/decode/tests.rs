#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::*;

#[test]
fn a_json_line_becomes_a_log_line() {
    let value = br#"{"@timestamp":"2026-11-23T14:02:10.214Z","log.level":"error","message":"no seats left on D1345","service.name":"seat","trace.id":"5b8efff798038103d269b633813fc60c"}"#;
    let batch = decode_one(DecodeOptions::default(), Source::Logs, Some(value), &[], Timestamp::from_seconds(1_795_442_531));
    assert!(batch.rejections.is_empty(), "{:?}", batch.rejections);
    assert_eq!(batch.logs.len(), 1);
}
