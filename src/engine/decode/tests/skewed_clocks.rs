//! Clocks that are wrong, and times in a wrong unit.

use super::*;

fn lines(host: &str, ahead_s: i64, count: usize) -> Vec<String> {
    let at = KAFKA_TIME.plus_seconds(ahead_s).seconds();
    (0..count).map(|_| format!(r#"{{"message":"fine","service":"cart","host":"{host}","ts":{at}}}"#)).collect()
}

#[test]
fn the_clock_of_each_host_is_estimated() {
    let all = [lines("ahead", 90, 20), lines("right", 0, 20), lines("late", -7, 20)].concat();
    let mut decoder = Decoder::new(DecodeOptions::default());
    let mut told = None;
    for line in &all {
        let mut batch = record_batch(Source::Logs, 1);
        batch.push(0, 0, Some(KAFKA_TIME), None, Some(line.as_bytes()), &[]);
        told = decoder.decode(Arc::new(batch), KAFKA_TIME).clocks;
    }
    let told = told.unwrap();
    let of = |name: &str| told.iter().find(|skew| skew.host.as_deref() == Some(name)).unwrap();
    assert!((of("ahead").skew_s - 90.0).abs() < 20.0 && (of("late").skew_s + 7.0).abs() < 2.0 && of("right").skew_s == 0.0, "{told:?}");
    assert_eq!(told[0].host.as_deref(), Some("ahead"), "the one farthest off comes first");
    assert_eq!(of("ahead").samples, 20);
}

#[test]
fn where_no_host_is_named_the_service_stands_for_it() {
    let line = format!(r#"{{"message":"fine","service":"cart","ts":{}}}"#, KAFKA_TIME.plus_seconds(-60).seconds());
    let batch = decode_values(Source::Logs, "auto", &vec![line.as_bytes(); 200]);
    let told = batch.clocks.unwrap();
    assert_eq!((told.len(), told[0].service.as_deref(), told[0].host.as_deref()), (1, Some("cart"), None));
}

#[test]
fn times_in_a_wrong_unit_are_counted_and_their_field_is_named() {
    let record = |nanos: &str| {
        format!(r#"{{"resourceLogs":[{{"scopeLogs":[{{"logRecords":[{{"timeUnixNano":"{nanos}","body":{{"stringValue":"x"}}}}]}}]}}]}}"#)
    };
    let (right, millis) = (record("1795442531000000000"), record("1795442531000"));
    let batch = decode_values(Source::Logs, "auto", &[right.as_bytes(), millis.as_bytes(), millis.as_bytes()]);
    assert_eq!(batch.logs.len(), 3, "they are kept");
    let [found] = batch.wrong_units.as_slice() else { panic!("{:?}", batch.wrong_units) };
    assert_eq!((found.items, found.format, found.wrong), (2, "otlp_json", "a million times too small"));
    assert!(found.field.contains("timeUnixNano"));
}
