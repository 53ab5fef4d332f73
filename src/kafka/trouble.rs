//! librdkafka's errors, told to the person who has to act on them.

use std::collections::BTreeMap;

use rdkafka::types::RDKafkaErrorCode as Code;

use super::error_table::{ErrorClass, Lasting, error_class};
use super::options::Options;
use crate::model::ports::FeedTrouble;

/// Classes a [`FeedTrouble`] of this feed can have, and those of its notices.
pub mod class {
    pub const BROKER_UNREACHABLE: &str = "broker_unreachable";
    pub const AUTHENTICATION_FAILED: &str = "authentication_failed";
    pub const TLS_FAILED: &str = "tls_failed";
    pub const NOT_AUTHORIZED: &str = "not_authorized";
    pub const UNKNOWN_TOPIC: &str = "unknown_topic";
    pub const OFFSET_OUT_OF_RANGE: &str = "offset_out_of_range";
    pub const FENCED: &str = "fenced";
    pub const GROUP_REFUSED: &str = "group_refused";
    pub const BROKER_ERROR: &str = "broker_error";
    pub const CLIENT_ERROR: &str = "client_error";
    pub const TOPIC_MADE_ANEW: &str = "topic_made_anew";
    pub const LOG_CUT: &str = "log_cut";
    pub const NO_TOPIC_IDS: &str = "no_topic_ids";

    /// What a class means, for a person.
    pub fn meaning(class: &str) -> &'static str {
        match class {
            BROKER_UNREACHABLE => "no broker answers",
            AUTHENTICATION_FAILED => "the broker refuses the login",
            TLS_FAILED => "the handshake fails: authority, host name or client certificate",
            NOT_AUTHORIZED => "a permission is missing",
            UNKNOWN_TOPIC => "the topic is not there",
            OFFSET_OUT_OF_RANGE => "the broker does not have the offset: the partition is placed anew, a gap is counted as missed",
            FENCED => "another process took this connector's place in the group",
            GROUP_REFUSED => "the group's coordinator does not take us",
            BROKER_ERROR => "the broker cannot do what it was asked",
            CLIENT_ERROR => "inside the client",
            _ => "",
        }
    }
}

impl Options {
    /// Class and fate of an error, as the table and the settings have it.
    pub(super) fn error_class(&self, code: Code) -> ErrorClass {
        let known = error_class(code);
        let names = |list: &[String]| list.iter().any(|name| name == known.name());
        let lasting = match () {
            () if names(&self.permanent_errors) => Lasting::Permanent,
            () if names(&self.transient_errors) => Lasting::Transient,
            () => known.lasting,
        };
        ErrorClass { lasting, ..known }
    }

    /// What an error means. `None` for a passing one: librdkafka repairs it without anyone noticing.
    pub(super) fn classify(&self, code: Code, reason: &str, brokers: &str) -> Option<FeedTrouble> {
        let code = if is_tls_error(code, reason) { Code::SSL } else { code };
        let ErrorClass { class, lasting, .. } = self.error_class(code);
        let permanent = lasting == Lasting::Permanent;
        (lasting != Lasting::Passing).then(|| FeedTrouble {
            class: class.to_owned(),
            message: describe(code, class, reason, brokers),
            permanent,
            recovered: false,
            topic: None,
        })
    }
}

/// For a person, with what to do next.
pub(super) fn describe(code: Code, class: &str, reason: &str, brokers: &str) -> String {
    match (class, code) {
        (class::TLS_FAILED, _) => tls(reason),
        (class::AUTHENTICATION_FAILED, _) => authentication(reason),
        (class::BROKER_UNREACHABLE, _) => unreachable(brokers, reason),
        (class::NOT_AUTHORIZED, _) => {
            format!("the broker refuses: {reason}; `whydunit check --connect` prints the grants that are missing")
        }
        (class::UNKNOWN_TOPIC, _) => {
            format!("{reason}; check the connector's `topics`, or create the topic: it is looked for again at every metadata refresh")
        }
        (class::FENCED, _) => fenced(reason),
        (class::GROUP_REFUSED, Code::InconsistentGroupProtocol) => {
            format!("the consumer group is used by another kind of client: {reason}; give this connector its own `group`")
        }
        (class::GROUP_REFUSED, Code::InvalidSessionTimeout) => format!(
            "the broker refuses the session timeout: {reason}; set `kafka.session_timeout_ms` between the broker's \
             group.min.session.timeout.ms and group.max.session.timeout.ms"
        ),
        (class::GROUP_REFUSED, _) => format!("the consumer group's coordinator refuses: {reason}"),
        _ => format!("{code}: {reason}"),
    }
}

/// True when TLS is what failed. A handshake the broker breaks off comes as a lost connection.
pub(super) fn is_tls_error(code: Code, reason: &str) -> bool {
    code == Code::SSL || code == Code::BrokerTransportFailure && reason.contains("SSL routines")
}

/// What [`tls`] understands of a certificate that is in order but for its name.
pub(super) const WRONG_HOST: &str = "hostname mismatch";

/// True when it cannot be told from the text whether the authority or the host name is wrong.
pub(super) fn is_unclear(reason: &str) -> bool {
    reason.contains("certificate verify failed") && !reason.contains(WRONG_HOST)
}

/// True for errors of a single connection: worth keeping as the reason when all brokers are down.
pub(super) const fn is_connection_error(code: Code) -> bool {
    matches!(code, Code::BrokerTransportFailure | Code::Resolve)
}

fn unreachable(brokers: &str, reason: &str) -> String {
    format!(
        "no broker of `{brokers}` can be reached: {reason}; is the address right, is the broker up, does its listener want TLS? Trying on"
    )
}

fn authentication(reason: &str) -> String {
    let lower = reason.to_ascii_lowercase();
    let advice = if lower.contains("unsupported") || lower.contains("supported mechanisms") || lower.contains("not enabled") {
        "does `sasl.mechanisms` name one the broker offers?"
    } else {
        "are `sasl.username` and `sasl.password` right, and does the user exist for this mechanism?"
    };
    format!("the broker refuses the login: {reason}; {advice}")
}

fn tls(reason: &str) -> String {
    let lower = reason.to_ascii_lowercase();
    // librdkafka's own guess at the cause follows; ours knows more.
    let reason = reason.split(": broker certificate could not be verified").next().unwrap_or(reason);
    let advice = if lower.contains("hostname") || lower.contains("ip address mismatch") {
        "the certificate is for another host name: use the name it was issued for in `brokers`, and in the broker's advertised listeners"
    } else if lower.contains("certificate verify failed")
        || lower.contains("unable to get")
        || lower.contains("self-signed")
        || lower.contains("self signed")
    {
        "the broker's certificate is not signed by the CA in `ssl.ca.location`"
    } else if lower.contains("alert") && (lower.contains("certificate") || lower.contains("unknown ca")) {
        "the broker refuses our certificate: check `ssl.certificate.location` and `ssl.key.location`"
    } else {
        "does this port speak TLS, and does `security.protocol` say so?"
    };
    format!("TLS with the broker fails: {reason}; {advice}")
}

fn fenced(reason: &str) -> String {
    format!(
        "another process uses this connector's consumer group identity: {reason}; stop it, or give one of the two its own database or `group`"
    )
}

/// Which troubles are on, so that each is told once when it begins and once when it is over.
#[derive(Debug, Default)]
pub(super) struct Troubles {
    active: BTreeMap<String, FeedTrouble>,
}

impl Troubles {
    /// `subject` tells apart troubles of one class: the topic of an unknown topic. Returns what to report.
    pub(super) fn begin(&mut self, subject: &str, trouble: FeedTrouble) -> Option<FeedTrouble> {
        let key = format!("{}\0{subject}", trouble.class);
        match self.active.insert(key, trouble.clone()) {
            Some(_) => None,
            None => Some(trouble),
        }
    }

    /// Ends every trouble for which `over` holds.
    pub(super) fn end(&mut self, over: impl Fn(&FeedTrouble, &str) -> bool) -> Vec<FeedTrouble> {
        let mut ended = Vec::new();
        self.active.retain(|key, trouble| {
            let subject = key.split_once('\0').map_or("", |(_, subject)| subject);
            let is_over = over(trouble, subject);
            if is_over {
                ended.push(FeedTrouble { recovered: true, ..trouble.clone() });
            }
            !is_over
        });
        ended
    }

    pub(super) fn is_on(&self, class: &str) -> bool {
        self.active.values().any(|trouble| trouble.class == class)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.active.is_empty()
    }
}

/// The topic an error text speaks of: `Subscribed topic not available: shop.logs: Broker: Unknown topic or partition`.
pub(super) fn topic_in(reason: &str) -> Option<&str> {
    let rest = reason.split_once("not available: ")?.1;
    rest.split_once(": ").map(|(topic, _)| topic)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use super::*;

    fn told(code: Code, reason: &str) -> FeedTrouble {
        Options::default().classify(code, reason, "kafka:9092").unwrap()
    }

    #[test]
    fn each_way_to_fail_names_the_setting_to_look_at() {
        assert!(told(Code::Authentication, "SASL authentication error: Authentication failed").message.contains("sasl.password"));
        assert!(told(Code::SSL, "certificate verify failed: hostname mismatch").message.contains("host name"));
        assert!(told(Code::SSL, "certificate verify failed: unable to get local issuer certificate").message.contains("ssl.ca.location"));
        assert!(told(Code::AllBrokersDown, "Connection refused").message.contains("kafka:9092"));
    }

    #[test]
    fn a_lost_single_connection_is_not_reported() {
        assert_eq!(Options::default().classify(Code::BrokerTransportFailure, "Disconnected", "kafka:9092"), None);
    }

    #[test]
    fn settings_change_how_long_an_error_is_taken_to_last() {
        let options = Options {
            permanent_errors: vec!["TOPIC_AUTHORIZATION_FAILED".to_owned(), "_TRANSPORT".to_owned()],
            transient_errors: vec!["FENCED_INSTANCE_ID".to_owned()],
            ..Options::default()
        };
        let permanent = |code| options.classify(code, "", "").map(|trouble| trouble.permanent);
        assert_eq!(permanent(Code::TopicAuthorizationFailed), Some(true));
        assert_eq!(permanent(Code::BrokerTransportFailure), Some(true));
        assert_eq!(permanent(Code::FencedInstanceId), Some(false));
        assert_eq!(permanent(Code::GroupAuthorizationFailed), Some(false), "as the table has it");
    }

    #[test]
    fn a_trouble_is_told_once_and_its_end_once() {
        let mut troubles = Troubles::default();
        let trouble = told(Code::AllBrokersDown, "Connection refused");
        assert!(troubles.begin("", trouble.clone()).is_some());
        assert!(troubles.begin("", trouble).is_none());
        let ended = troubles.end(|trouble, _| trouble.class == class::BROKER_UNREACHABLE);
        assert_eq!(ended.len(), 1);
        assert!(ended[0].recovered);
        assert!(troubles.is_empty());
    }

    #[test]
    fn the_missing_topic_is_found_in_the_text() {
        assert_eq!(topic_in("Subscribed topic not available: shop.logs: Broker: Unknown topic or partition"), Some("shop.logs"));
        assert_eq!(topic_in("something else"), None);
    }
}
