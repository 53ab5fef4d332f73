//! Log lines.

use whydunit::model::Source;

use super::{Case, bare};

const SERVICES: u64 = 40;
const TEMPLATES: u64 = 50;
const WORDS: [&str; 10] = ["order", "payment", "cache", "lookup", "stock", "cart", "session", "price", "route", "mail"];

pub(super) const CASES: &[Case] = &[
    Case { format: "json_logs", source: Source::Logs, record: json, bare: Some(("serde_json, borrowed struct", bare::json_line)) },
    Case {
        format: "json_logs (shapes)",
        source: Source::Logs,
        record: shaped,
        bare: Some(("serde_json, borrowed struct", bare::json_line)),
    },
    Case { format: "gelf", source: Source::Logs, record: gelf, bare: Some(("serde_json, borrowed struct", bare::gelf)) },
    Case { format: "syslog", source: Source::Logs, record: syslog, bare: Some(("syslog_loose", bare::syslog)) },
    Case { format: "logfmt", source: Source::Logs, record: logfmt, bare: Some(("logfmt", bare::logfmt)) },
    Case { format: "cri", source: Source::Logs, record: cri, bare: None },
    Case { format: "text", source: Source::Logs, record: text, bare: None },
];

/// Fifty kinds of messages with two numbers in them.
pub(super) fn message(n: u64) -> String {
    let template = n / 7 % TEMPLATES;
    let word = |at: u64| WORDS[(template * 3 + at) as usize % WORDS.len()];
    format!("{} {} step {} finished for customer {} after {} ms", word(0), word(1), word(2), n * 7_919 % 1_000_000, n % 900)
}

pub(super) fn service(n: u64) -> u64 {
    n % SERVICES
}

/// 2 % errors.
fn level(n: u64) -> &'static str {
    if n.is_multiple_of(50) { "error" } else { "info" }
}

/// RFC 3339, milliseconds.
pub(super) fn time(n: u64) -> String {
    format!("2026-11-23T14:{:02}:{:02}.{:03}Z", n / 60_000 % 60, n / 1_000 % 60, n % 1_000)
}

fn seconds(n: u64) -> f64 {
    1_795_442_400.0 + (n % 3_600_000) as f64 / 1_000.0
}

/// About 350 bytes, as ECS has it.
fn json(n: u64) -> Vec<u8> {
    format!(
        concat!(
            r#"{{"@timestamp":"{}","log.level":"{}","message":"{}","#,
            r#""ecs.version":"8.11.0","service.name":"service-{:02}","service.environment":"production","host.name":"node-{}","#,
            r#""process.thread.name":"worker-{}","log.logger":"com.shop.{}.Handler","event.dataset":"service-{:02}.log","data_stream.type":"logs"}}"#
        ),
        time(n),
        level(n),
        message(n),
        service(n),
        n % 6,
        n % 16,
        WORDS[n as usize % WORDS.len()],
        service(n)
    )
    .into_bytes()
}

/// The same fields in one of 120 orders, so that no line looks like one of late.
fn shaped(n: u64) -> Vec<u8> {
    let mut fields: Vec<(String, serde_json::Value)> = match serde_json::from_slice(&json(n)).unwrap() {
        serde_json::Value::Object(fields) => fields.into_iter().collect(),
        _ => Vec::new(),
    };
    // Five fields change places by the factorial number of the order.
    let mut order = n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
    for place in (1..5).rev() {
        fields.swap(place, order as usize % (place + 1));
        order /= place as u64 + 1;
    }
    let pairs: Vec<String> = fields.iter().map(|(key, value)| format!("\"{key}\":{value}")).collect();
    format!("{{{}}}", pairs.join(",")).into_bytes()
}

fn gelf(n: u64) -> Vec<u8> {
    let level = if n.is_multiple_of(50) { 3 } else { 6 };
    format!(
        r#"{{"version":"1.1","host":"node-{}","short_message":"{}","timestamp":{:.3},"level":{level},"_service":"service-{:02}","_thread":"worker-{}"}}"#,
        n % 6,
        message(n),
        seconds(n),
        service(n),
        n % 16
    )
    .into_bytes()
}

fn syslog(n: u64) -> Vec<u8> {
    let priority = if n.is_multiple_of(50) { 131 } else { 134 };
    let origin = r#"[origin@32473 software="shop" zone="a"]"#;
    format!("<{priority}>1 {} node-{} service-{:02} {} ID47 {origin} {}", time(n), n % 6, service(n), n % 9_000, message(n)).into_bytes()
}

fn logfmt(n: u64) -> Vec<u8> {
    format!(
        r#"ts={} level={} msg="{}" service=service-{:02} host=node-{} caller=handler.go:{}"#,
        time(n),
        level(n),
        message(n),
        service(n),
        n % 6,
        n % 400
    )
    .into_bytes()
}

fn cri(n: u64) -> Vec<u8> {
    format!("{} stdout F level={} msg=\"{}\" service=service-{:02}", time(n), level(n), message(n), service(n)).into_bytes()
}

fn text(n: u64) -> Vec<u8> {
    let level = if n.is_multiple_of(50) { "ERROR" } else { "INFO" };
    let (day, clock) = (&time(n)[..10], &time(n)[11..23]);
    format!("{day} {clock} {level} [worker-{}] com.shop.Handler - {}", n % 16, message(n)).into_bytes()
}
