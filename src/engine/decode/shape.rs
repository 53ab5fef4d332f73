//! Formats of metrics and traces told apart by their structure: by the fields that only one of them has, not by the first byte.

use memchr::memchr2;

use super::otlp::wire;
use super::wire_format::Format;
use super::{jaeger, otlp, prometheus, telegraf, zipkin};

/// Format of a record of metrics; `None` of what has no known structure.
pub(super) fn of_metrics(value: &[u8]) -> Option<Format> {
    if prometheus::is_compressed_write_request(value) {
        return Some(prometheus::REMOTE_WRITE);
    }
    if let Some(format) = of_metrics_protobuf(value) {
        return Some(format);
    }
    match first_sign(value)? {
        b'{' | b'[' => decide(value, |key| match key {
            b"resourceMetrics" | b"resource_metrics" | b"resourceLogs" | b"resource_logs" | b"resourceSpans" | b"resource_spans" => {
                Some(otlp::JSON)
            }
            b"fields" | b"metrics" => Some(telegraf::JSON),
            b"labels" | b"value" => Some(prometheus::JSON),
            _ => None,
        }),
        _ if telegraf::is_line_protocol(value) => Some(telegraf::LINE),
        _ => None,
    }
}

fn of_metrics_protobuf(value: &[u8]) -> Option<Format> {
    // 0x0a opens protobuf's field 1 and is a line feed in JSON: the lengths decide.
    if value.first() != Some(&0x0a) {
        return None;
    }
    if prometheus::is_write_request(value) {
        return Some(prometheus::REMOTE_WRITE);
    }
    wire::is_list_of_field_1(value).then_some(otlp::PROTO)
}

/// Format of a record of traces; `None` of what has no known structure.
pub(super) fn of_traces(value: &[u8]) -> Option<Format> {
    if let Some(format) = of_traces_protobuf(value) {
        return Some(format);
    }
    let first = first_sign(value).filter(|first| matches!(first, b'{' | b'['))?;
    let format = decide(value, |key| match key {
        b"resourceMetrics" | b"resource_metrics" | b"resourceLogs" | b"resource_logs" | b"resourceSpans" | b"resource_spans" => {
            Some(otlp::JSON)
        }
        b"spanId" | b"spanID" | b"operationName" | b"references" | b"startTime" | b"process" | b"processID" | b"processId"
        | b"processes" | b"data" | b"spans" => Some(jaeger::JSON),
        b"id" | b"parentId" | b"kind" | b"localEndpoint" | b"remoteEndpoint" | b"timestamp" | b"annotations" | b"binaryAnnotations"
        | b"shared" => Some(zipkin::WIRE),
        _ => None,
    });
    // A list of spans is what reporters of Zipkin send.
    format.or((first == b'[').then_some(zipkin::WIRE))
}

fn of_traces_protobuf(value: &[u8]) -> Option<Format> {
    if value.first() != Some(&0x0a) {
        return None;
    }
    if jaeger::is_proto(value) {
        return Some(jaeger::PROTO);
    }
    wire::is_list_of_field_1(value).then_some(otlp::PROTO)
}

/// What a record that calls itself protobuf holds.
pub(super) fn of_protobuf(source: crate::model::Source, value: &[u8]) -> Format {
    let format = match source {
        crate::model::Source::Metrics if prometheus::is_compressed_write_request(value) => Some(prometheus::REMOTE_WRITE),
        crate::model::Source::Metrics => of_metrics_protobuf(value),
        crate::model::Source::Traces => of_traces_protobuf(value),
        _ => None,
    };
    format.unwrap_or(otlp::PROTO)
}

fn first_sign(value: &[u8]) -> Option<u8> {
    value.iter().copied().find(|byte| !byte.is_ascii_whitespace())
}

/// Walks the keys of a JSON object, or of the first one in a list, until one decides. Nothing is parsed: what is no JSON ends the
/// walk, or is found out by its decoder.
fn decide<T>(value: &[u8], mut of_key: impl FnMut(&[u8]) -> Option<T>) -> Option<T> {
    let open = value.iter().position(|&byte| byte == b'{')?;
    let mut rest = value.get(open + 1..)?;
    let (mut depth, mut expects_key) = (1_u32, true);
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        match byte {
            b'"' => {
                let (text, after) = string(after)?;
                rest = after;
                if depth == 1 && expects_key {
                    expects_key = false;
                    if let Some(decided) = of_key(text) {
                        return Some(decided);
                    }
                }
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' => {
                depth -= 1;
                if depth == 0 {
                    return None;
                }
            }
            b',' if depth == 1 => expects_key = true,
            _ => {}
        }
    }
    None
}

/// A JSON string as it is written, after its opening quote, and what follows its closing one.
fn string(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut at = 0;
    loop {
        at += memchr2(b'"', b'\\', text.get(at..)?)?;
        if text.get(at) == Some(&b'"') {
            let (string, rest) = text.split_at_checked(at)?;
            return Some((string, rest.get(1..)?));
        }
        at += 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_told_apart_by_any_of_its_keys() {
        for (value, format) in [
            (r#"{"resourceMetrics":[]}"#, Some(otlp::JSON)),
            (r#"{"schemaUrl":"x","resource_metrics":[]}"#, Some(otlp::JSON)),
            (r#"{"fields":{"a":1},"name":"cpu","tags":{},"timestamp":1}"#, Some(telegraf::JSON)),
            (r#"{"name":"cpu","tags":{"labels":"x","a":"{\""},"timestamp":1,"fields":{"value":1}}"#, Some(telegraf::JSON)),
            (r#"{"metrics":[]}"#, Some(telegraf::JSON)),
            (r#"{"timestamp":"x","value":"1","name":"up","labels":{}}"#, Some(prometheus::JSON)),
            (r#" [ {"labels":{"fields":1},"name":"up"} ]"#, Some(prometheus::JSON)),
            (r#"{"hello":"fields"}"#, None),
            (r#"{"a":{"fields":1}}"#, None),
            ("[]", None),
            (r#"{"unfinished"#, None),
            (r#"{"unfinished\"#, None),
        ] {
            assert_eq!(of_metrics(value.as_bytes()), format, "{value}");
        }
    }

    #[test]
    fn traces_in_json_are_told_apart_by_any_of_their_keys() {
        for (value, format) in [
            (r#"{"resourceSpans":[]}"#, Some(otlp::JSON)),
            (r#"{"traceId":"AAAAAAAAAAAAAAAAAAAAAQ==","spanId":"AAAAAAAAAAE="}"#, Some(jaeger::JSON)),
            (r#"{"data":[{"traceID":"1"}],"total":0}"#, Some(jaeger::JSON)),
            (r#"{"traceID":"1","spans":[],"processes":{}}"#, Some(jaeger::JSON)),
            (r#"{"traceId":"1","name":"get","id":"2"}"#, Some(zipkin::WIRE)),
            (r#"[{"traceId":"1","tags":{"spanId":"x"},"localEndpoint":{}}]"#, Some(zipkin::WIRE)),
            (r#"[{"traceID":"1","spanID":"2"}]"#, Some(jaeger::JSON)),
            ("[]", Some(zipkin::WIRE)),
            (r#"{"hello":"world"}"#, None),
            ("hello", None),
        ] {
            assert_eq!(of_traces(value.as_bytes()), format, "{value}");
        }
    }

    #[test]
    fn a_line_feed_before_json_is_json() {
        assert_eq!(of_traces(b"\n{\"traceId\":\"1\",\"id\":\"2\"}"), Some(zipkin::WIRE));
        assert_eq!(of_metrics(b"\n{\"fields\":{}}"), Some(telegraf::JSON));
        assert_eq!(of_metrics(b"{ \n\"labels\":{}}"), Some(prometheus::JSON));
    }
}
