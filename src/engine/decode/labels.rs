//! Who a sample is from, by the labels of Prometheus or the tags of Telegraf.

use std::borrow::Cow;

use super::json_logs::{UNKNOWN_SERVICE, limited};
use super::otlp::facts::{Best, Scalar, SeriesHash};
use super::otlp::requests::RequestFacts;
use super::sink::RecordSink;
use crate::engine::entities::is_attribute;
use crate::model::{EntityKey, Symbol};

/// Names of a fact, best first; dots and underscores are alike.
const SERVICE: [&str; 15] = [
    "service_name",
    // A label of the target's own that stood in the way of the scraper's.
    "exported_service",
    "service",
    "app_kubernetes_io_name",
    "app",
    "application",
    "app_name",
    "exported_job",
    "job",
    "k8s_deployment_name",
    "deployment",
    "statefulset",
    "daemonset",
    "container",
    "container_name",
];
const ENVIRONMENT: [&str; 5] = ["deployment_environment_name", "deployment_environment", "environment", "env", "stage"];
const HOST: [&str; 11] = [
    "pod",
    "pod_name",
    "k8s_pod_name",
    "exported_instance",
    "hostname",
    "host_name",
    "host",
    "service_instance_id",
    "instance",
    "node",
    "nodename",
];
/// Whom the samples of an agent are about, when it watches others.
const WATCHED: [&str; 8] = [
    "exported_container",
    "container",
    "container_name",
    "container_label_io_kubernetes_container_name",
    "deployment",
    "statefulset",
    "daemonset",
    "cronjob",
];
/// Labels under which the answer of a request is counted.
const ANSWERS: [&str; 6] = ["code", "status", "status_code", "http_code", "response_code", "http_response_code"];

/// Labels of one sample as they are met.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Labels<'a> {
    /// Names of a service that go before those known.
    own: &'a [String],
    /// What those say.
    told: Best<'a>,
    service: Best<'a>,
    watched: Best<'a>,
    environment: Best<'a>,
    host: Best<'a>,
    series: SeriesHash,
    pub(super) requests: RequestFacts<'a>,
    /// Bound of a histogram's bucket.
    pub(super) is_bucket: bool,
    /// One of a summary's quantiles.
    pub(super) is_quantile: bool,
}

/// Where a sample is from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Origin {
    pub(super) entity: EntityKey,
    pub(super) host: Symbol,
    pub(super) series: u64,
}

impl<'a> Labels<'a> {
    /// `own`: labels that name the service, before those known.
    pub(super) fn asking(own: &'a [String]) -> Self {
        Self { own, ..Self::default() }
    }

    pub(super) fn label(&mut self, key: &[u8], text: &'a [u8]) {
        let value = Scalar::Text(text);
        self.series.attribute(key, value);
        if let Some(rank) = self.own.iter().position(|name| is_attribute(name, key)) {
            self.told.offer(rank as u8, value);
        }
        let key = underscored(key);
        let Ok(key) = std::str::from_utf8(&key) else { return };
        // An answer's number says of a request what a span's status says of a span.
        let answer = if ANSWERS.contains(&key) && value.integer().is_some() { "http_status_code" } else { key };
        self.requests.attribute(answer.as_bytes(), value);
        match key {
            "le" => self.is_bucket = true,
            "quantile" => self.is_quantile = true,
            "job" | "exported_job" => offer(&mut self.service, &SERVICE, key, after_slash(text)),
            "instance" | "exported_instance" => offer(&mut self.host, &HOST, key, without_port(text)),
            _ => {
                offer(&mut self.service, &SERVICE, key, text);
                offer(&mut self.environment, &ENVIRONMENT, key, text);
                offer(&mut self.host, &HOST, key, text);
            }
        }
        if text != b"POD" {
            offer(&mut self.watched, &WATCHED, key, text);
        }
    }

    /// `watches_others`: the sender tells of other containers than its own.
    pub(super) fn origin(&self, watches_others: bool, sink: &mut RecordSink<'_>) -> Origin {
        let watched = if watches_others { self.watched.get() } else { None };
        let service = self.told.get().or(watched).or(self.service.get()).map_or(Cow::Borrowed(UNKNOWN_SERVICE), String::from_utf8_lossy);
        let environment = match self.environment.get() {
            Some(name) => String::from_utf8_lossy(name),
            None => Cow::Borrowed(sink.options.default_environment.as_str()),
        };
        let entity = sink.symbols.entity(limited(&environment), limited(&service));
        let host = super::otlp::facts::define(self.host.get(), sink);
        Origin { entity, host, series: self.series.of(host) }
    }
}

fn offer<'a>(best: &mut Best<'a>, names: &[&str], key: &str, text: &'a [u8]) {
    if let Some(rank) = names.iter().position(|name| *name == key) {
        best.offer(rank as u8, Scalar::Text(text));
    }
}

fn underscored(key: &[u8]) -> Cow<'_, [u8]> {
    if key.contains(&b'.') {
        return Cow::Owned(key.iter().map(|&byte| if byte == b'.' { b'_' } else { byte }).collect());
    }
    Cow::Borrowed(key)
}

/// `shop/cart` is the job of a service `cart` in a namespace `shop`.
fn after_slash(text: &[u8]) -> &[u8] {
    match text.iter().rposition(|&byte| byte == b'/') {
        Some(slash) if slash + 1 < text.len() => &text[slash + 1..],
        _ => text,
    }
}

/// `cart-1:8080` and `[::1]:8080` without the port.
fn without_port(text: &[u8]) -> &[u8] {
    let Some(colon) = text.iter().rposition(|&byte| byte == b':') else { return text };
    let (host, port) = text.split_at(colon);
    let is_port = port.len() > 1 && port[1..].iter().all(u8::is_ascii_digit);
    let is_bare_ipv6 = host.contains(&b':') && !host.ends_with(b"]");
    if is_port && !is_bare_ipv6 && !host.is_empty() { host } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn best(pairs: &[(&'static str, &'static str)], of: fn(&Labels<'static>) -> Best<'static>) -> Option<&'static str> {
        let mut labels = Labels::default();
        for (key, value) in pairs {
            labels.label(key.as_bytes(), value.as_bytes());
        }
        of(&labels).get().and_then(|text| std::str::from_utf8(text).ok())
    }

    #[test]
    fn the_most_telling_label_names_the_service() {
        let service = |pairs: &[(&'static str, &'static str)]| best(pairs, |labels| labels.service);
        assert_eq!(service(&[("job", "kubernetes-pods"), ("app", "cart")]), Some("cart"));
        assert_eq!(service(&[("service.name", "cart"), ("service", "x")]), Some("cart"));
        assert_eq!(service(&[("job", "shop/cart")]), Some("cart"));
        assert_eq!(service(&[("service", ""), ("job", "cart")]), Some("cart"));
        assert_eq!(service(&[("cpu", "cpu0")]), None);
    }

    #[test]
    fn an_instance_is_a_host_without_its_port() {
        let host = |instance: &'static str| best(&[("instance", instance)], |labels| labels.host);
        assert_eq!(host("cart-1:8080"), Some("cart-1"));
        assert_eq!(host("[fe80::1]:9100"), Some("[fe80::1]"));
        assert_eq!(host("fe80::1"), Some("fe80::1"));
        assert_eq!(host("http://shop/health"), Some("http://shop/health"));
        assert_eq!(host(":8080"), Some(":8080"));
        assert_eq!(best(&[("instance", "10.0.0.1:80"), ("pod", "cart-7f")], |labels| labels.host), Some("cart-7f"));
    }

    #[test]
    fn series_differ_by_every_label_and_not_by_their_order() {
        let series = |pairs: &[(&'static str, &'static str)]| {
            let mut labels = Labels::default();
            pairs.iter().for_each(|(key, value)| labels.label(key.as_bytes(), value.as_bytes()));
            labels.series.of(Symbol::NONE)
        };
        assert_eq!(series(&[("a", "1"), ("b", "2")]), series(&[("b", "2"), ("a", "1")]));
        assert_ne!(series(&[("a", "1"), ("b", "2")]), series(&[("a", "2"), ("b", "1")]));
        assert_ne!(series(&[("instance", "a:1")]), series(&[("instance", "a:2")]));
    }
}
