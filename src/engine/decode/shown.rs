//! What a record became, as JSON for a person: one value an item, with the names behind the symbols.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::model::observation::{LogLine, MetricPoint, ObservationBatch, Span};
use crate::model::{Event, Symbol, Timestamp};

/// The items of a batch: events, then log lines, metric points and spans. What an item does not have is left out.
pub fn items(batch: &ObservationBatch) -> impl Iterator<Item = Value> + '_ {
    let texts: Texts<'_> = Texts(batch.definitions.iter().map(|definition| (definition.symbol, &*definition.text)).collect());
    let formats = &batch.record_formats;
    let (lines, points, spans) = (texts.clone(), texts.clone(), texts);
    let format = move |record: u32| formats.get(record as usize).copied().unwrap_or("auto");
    batch
        .events
        .iter()
        .map(event)
        .chain(batch.logs.iter().map(move |line| lines.line(line, format(line.record))))
        .chain(batch.points.iter().map(move |point| points.point(point, format(point.record))))
        .chain(batch.spans.iter().map(move |span| spans.span(span, format(span.record))))
}

fn event(event: &Event) -> Value {
    let format = event.provenance.as_ref().map(|provenance| provenance.format.as_str());
    json!({ "kind": "event", "format": format, "timestamp": event.timestamp, "service": event.service, "event": event })
}

#[derive(Clone)]
struct Texts<'b>(BTreeMap<Symbol, &'b str>);

impl Texts<'_> {
    fn text(&self, symbol: Symbol) -> &str {
        self.0.get(&symbol).copied().unwrap_or_default()
    }

    /// What all items have.
    fn begin(&self, kind: &str, format: &str, timestamp: Timestamp, entity: crate::model::EntityKey, host: Symbol) -> Map<String, Value> {
        let mut shown = Map::new();
        shown.insert("kind".to_owned(), kind.into());
        shown.insert("format".to_owned(), format.into());
        shown.insert("timestamp".to_owned(), json!(timestamp));
        put(&mut shown, "service", self.text(entity.service));
        put(&mut shown, "environment", self.text(entity.environment));
        put(&mut shown, "host", self.text(host));
        shown
    }

    fn line(&self, line: &LogLine, format: &str) -> Value {
        let mut shown = self.begin("log", format, line.timestamp, line.entity, line.host);
        shown.insert("severity".to_owned(), json!(line.severity));
        let template = self.text(line.template);
        put(&mut shown, "message", line.text.as_ref().map_or(template, |text| text.message.as_str()));
        put(&mut shown, "template", template);
        put_ids(&mut shown, line.trace.0, line.span.0, 0);
        if let Some(text) = &line.text {
            let texts = [
                ("exception_type", &text.exception_type),
                ("stack", &text.stack),
                ("request_id", &text.request_id),
                ("correlation_id", &text.correlation_id),
                ("version", &text.version),
            ];
            texts.into_iter().for_each(|(key, text)| put(&mut shown, key, text.as_deref().unwrap_or_default()));
            shown.extend(text.http_status.map(|status| ("http_status".to_owned(), status.into())));
        }
        Value::Object(shown)
    }

    fn point(&self, point: &MetricPoint, format: &str) -> Value {
        let mut shown = self.begin("metric", format, point.timestamp, point.entity, point.host);
        put(&mut shown, "metric", self.text(point.metric));
        put(&mut shown, "unit", self.text(point.unit));
        shown.insert("type".to_owned(), json!(point.kind));
        shown.insert("value".to_owned(), json!(point.value));
        shown.insert("series".to_owned(), format!("{:016x}", point.series).into());
        if let Some(count) = &point.requests {
            shown.insert("requests".to_owned(), json!(count.requests));
            shown.insert("failed".to_owned(), count.failed.into());
            put(&mut shown, "callee", count.callee.map_or("", |callee| self.text(callee.service)));
        }
        Value::Object(shown)
    }

    fn span(&self, span: &Span, format: &str) -> Value {
        let mut shown = self.begin("span", format, span.start, span.entity, span.host);
        put(&mut shown, "operation", self.text(span.operation));
        shown.insert("type".to_owned(), json!(span.kind));
        shown.insert("duration_ms".to_owned(), json!(span.end.seconds_since(span.start) * 1e3));
        shown.insert("failed".to_owned(), span.failed.into());
        put(&mut shown, "message", span.message.as_deref().unwrap_or_default());
        put(&mut shown, "peer", self.text(span.peer));
        put(&mut shown, "version", self.text(span.version));
        put_ids(&mut shown, span.trace.0, span.span.0, span.parent.0);
        Value::Object(shown)
    }
}

fn put(shown: &mut Map<String, Value>, key: &str, text: &str) {
    if !text.is_empty() {
        shown.insert(key.to_owned(), text.into());
    }
}

fn put_ids(shown: &mut Map<String, Value>, trace: u128, span: u64, parent: u64) {
    let ids = [("trace_id", trace, 32), ("span_id", u128::from(span), 16), ("parent_id", u128::from(parent), 16)];
    for (key, id, digits) in ids.into_iter().filter(|(_, id, _)| *id != 0) {
        shown.insert(key.to_owned(), format!("{id:0digits$x}").into());
    }
}
