//! librdkafka's errors, told to the person who has to act on them.

use std::collections::BTreeMap;

use rdkafka::types::RDKafkaErrorCode as Code;

use crate::model::ports::FeedTrouble;

/// Classes a [`FeedTrouble`] of this feed can have.
pub mod class {
    pub const BROKER_UNREACHABLE: &str = "broker_unreachable";
    pub const AUTHENTICATION_FAILED: &str = "authentication_failed";
    pub const TLS_FAILED: &str = "tls_failed";
    pub const NOT_AUTHORIZED: &str = "not_authorized";
    pub const UNKNOWN_TOPIC: &str = "unknown_topic";
    pub const OFFSET_OUT_OF_RANGE: &str = "offset_out_of_range";
    pub const FENCED: &str = "fenced";
    pub const BROKER_ERROR: &str = "broker_error";
}

/// What an error means. `None` for noise: librdkafka repairs it without anyone noticing.
pub(super) fn classify(code: Code, reason: &str, brokers: &str) -> Option<FeedTrouble> {
    let (class, message, permanent) = match code {
        _ if is_tls_error(code, reason) => (class::TLS_FAILED, tls(reason), false),
        Code::Authentication | Code::SaslAuthenticationFailed | Code::UnsupportedSASLMechanism | Code::IllegalSASLState => {
            (class::AUTHENTICATION_FAILED, authentication(reason), false)
        }
        Code::AllBrokersDown => (class::BROKER_UNREACHABLE, unreachable(brokers, reason), false),
        Code::TopicAuthorizationFailed | Code::GroupAuthorizationFailed | Code::ClusterAuthorizationFailed => (
            class::NOT_AUTHORIZED,
            format!("the broker refuses: {reason}; `whydunit check --connect` prints the grants that are missing"),
            false,
        ),
        Code::UnknownTopicOrPartition | Code::UnknownTopic | Code::UnknownPartition | Code::InvalidTopic | Code::UnknownTopicId => {
            (class::UNKNOWN_TOPIC, format!("{reason}; looked for again at every metadata refresh"), false)
        }
        Code::FencedInstanceId | Code::Fenced | Code::Fatal => (class::FENCED, fenced(reason), true),
        Code::InconsistentGroupProtocol => (
            class::FENCED,
            format!("the consumer group is used by another kind of client: {reason}; give this connector its own `group`"),
            true,
        ),
        // Single connections come and go; all of them down is AllBrokersDown.
        Code::BrokerTransportFailure | Code::Resolve | Code::OperationTimedOut | Code::TimedOutQueue => return None,
        Code::PollExceeded | Code::NoError => return None,
        _ => (class::BROKER_ERROR, format!("{code}: {reason}"), false),
    };
    Some(FeedTrouble { class: class.to_owned(), message, permanent, recovered: false })
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
        classify(code, reason, "kafka:9092").unwrap()
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
        assert_eq!(classify(Code::BrokerTransportFailure, "Disconnected", "kafka:9092"), None);
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
