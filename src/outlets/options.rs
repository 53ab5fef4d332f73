//! Settings `tell.*`: who is told of investigations.

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize, Serializer};
use ureq::http::Uri;

use super::Problem;
use super::webhook::key_of;

/// Longest time a channel may be without an answer, milliseconds: a drain waits for it.
const TIMEOUT_MS_MAX: u64 = 60_000;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// Where people open the page: links begin with it. Empty: `http://` and `web.listen`.
    pub page_url: String,
    /// What could not be delivered so long after it was made is given up, seconds.
    pub give_up_after_s: u32,
    /// Of what is read so long after it happened nobody is told that it opened, seconds of event time.
    pub max_age_s: u32,
    /// Longest wait for a receiver's answer, milliseconds.
    pub timeout_ms: u64,
    /// PEM file of the authorities that certificates of Alertmanager and webhook are checked against, in place of the public ones.
    pub ca_file: Option<PathBuf>,
    pub alertmanager: AlertmanagerOptions,
    pub webhook: WebhookOptions,
    pub kafka: KafkaOptions,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            page_url: String::new(),
            give_up_after_s: 86_400,
            max_age_s: 3_600,
            timeout_ms: 10_000,
            ca_file: None,
            alertmanager: AlertmanagerOptions::default(),
            webhook: WebhookOptions::default(),
            kafka: KafkaOptions::default(),
        }
    }
}

/// Settings `tell.alertmanager.*`; off without `url`.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AlertmanagerOptions {
    /// Where it is, without `/api/v2/alerts`.
    #[serde(serialize_with = "origin_only")]
    pub url: Option<String>,
    /// Sent as the header of that name; secret.
    #[serde(skip_serializing)]
    pub authorization: Option<String>,
}

/// Settings `tell.webhook.*`; off without `url`.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WebhookOptions {
    /// Where each notification is posted to; its path may be a secret.
    #[serde(serialize_with = "origin_only")]
    pub url: Option<String>,
    /// `whsec_` and the base64 of 24 to 64 bytes, as standardwebhooks.com has it; secret.
    #[serde(skip_serializing)]
    pub secret: Option<String>,
}

/// Settings `tell.kafka.*`; off without `topic`. The cluster is that of `[kafka]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct KafkaOptions {
    pub topic: Option<String>,
}

/// Secrets stay out of logs and panics.
impl fmt::Debug for AlertmanagerOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let secret = self.authorization.as_ref().map(|_| "<secret>");
        f.debug_struct("AlertmanagerOptions").field("url", &shown(self.url.as_ref())).field("authorization", &secret).finish()
    }
}

impl fmt::Debug for WebhookOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let secret = self.secret.as_ref().map(|_| "<secret>");
        f.debug_struct("WebhookOptions").field("url", &shown(self.url.as_ref())).field("secret", &secret).finish()
    }
}

impl Options {
    /// Everything that cannot work, with its key below `tell`.
    pub fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut refuse = |key: &str, reason: &str| problems.push((key.to_owned(), reason.to_owned()));
        if !self.page_url.is_empty() && url_problem(&self.page_url).is_some() {
            refuse("page_url", "is no http:// or https:// address such as https://whydunit.example.org");
        }
        if !(60..=31_536_000).contains(&self.give_up_after_s) {
            refuse("give_up_after_s", "must be 60 (a minute) to 31536000 (a year)");
        }
        if self.max_age_s < 60 {
            refuse("max_age_s", "must be at least 60");
        }
        if !(100..=TIMEOUT_MS_MAX).contains(&self.timeout_ms) {
            refuse("timeout_ms", "must be 100 to 60000");
        }
        if let Some(reason) = self.alertmanager.url.as_deref().and_then(url_problem) {
            refuse("alertmanager.url", reason);
        }
        if self.alertmanager.authorization.as_ref().is_some_and(|text| !text.bytes().all(|byte| (b' '..=b'~').contains(&byte))) {
            refuse("alertmanager.authorization", "may hold only visible ASCII characters and spaces, such as Bearer TOKEN");
        }
        if let Some(reason) = self.webhook.url.as_deref().and_then(url_problem) {
            refuse("webhook.url", reason);
        }
        match (&self.webhook.url, &self.webhook.secret) {
            (Some(_), None) => refuse(
                "webhook.secret",
                "is missing: receivers tell by it that a webhook is whydunit's; make one with: echo whsec_$(openssl rand -base64 32)",
            ),
            (_, Some(secret)) if key_of(secret).is_none() => {
                refuse(
                    "webhook.secret",
                    "is not whsec_ and the base64 of 24 to 64 bytes; make one with: echo whsec_$(openssl rand -base64 32)",
                );
            }
            _ => {}
        }
        let plain = |topic: &String| topic.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
        if self.kafka.topic.as_ref().is_some_and(|topic| !(1..=249).contains(&topic.len()) || !plain(topic)) {
            refuse("kafka.topic", "is no topic's name: 1 to 249 letters, digits, dots, - and _");
        }
        problems
    }
}

/// Why an address cannot be used.
fn url_problem(url: &str) -> Option<&'static str> {
    let Ok(uri) = url.parse::<Uri>() else { return Some("is no address such as http://alertmanager:9093") };
    match (uri.scheme_str(), uri.authority()) {
        (Some("http" | "https"), Some(authority)) if authority.as_str().contains('@') => {
            Some("holds a login, which would stand in logs; leave it out (Alertmanager: tell.alertmanager.authorization)")
        }
        (Some("http" | "https"), Some(_)) => None,
        _ => Some("must begin with http:// or https:// and name a host"),
    }
}

/// Scheme, host and port: what of an address may be shown.
pub(super) fn origin(url: &str) -> String {
    let uri = url.parse::<Uri>().ok();
    let part = uri.as_ref().and_then(|uri| Some(format!("{}://{}", uri.scheme_str()?, uri.authority()?.as_str().rsplit('@').next()?)));
    part.unwrap_or_else(|| "no address".to_owned())
}

/// As it may be shown: without the path, which may be a secret.
fn shown(url: Option<&String>) -> Option<String> {
    url.map(|url| origin(url) + if url.parse::<Uri>().is_ok_and(|uri| uri.path().len() > 1) { "/…" } else { "" })
}

fn origin_only<S: Serializer>(url: &Option<String>, serializer: S) -> Result<S::Ok, S::Error> {
    shown(url.as_ref()).serialize(serializer)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    fn read(text: &str) -> Options {
        toml::from_str(text).unwrap()
    }

    #[test]
    fn nobody_is_told_by_default() {
        let options = read("");
        assert_eq!(options, Options::default());
        assert_eq!(options.problems(), []);
        assert_eq!((options.alertmanager.url, options.webhook.url, options.kafka.topic), (None, None, None));
    }

    #[test]
    fn what_cannot_work_is_named_with_what_to_do() {
        let problems = |text: &str| read(text).problems().into_iter().map(|(key, reason)| format!("{key}: {reason}")).collect::<Vec<_>>();
        assert!(problems("[webhook]\nurl = \"http://a\"")[0].starts_with("webhook.secret: is missing"));
        assert!(problems("[webhook]\nsecret = \"whsec_short\"")[0].contains("openssl rand"));
        assert!(problems("[alertmanager]\nurl = \"alertmanager:9093\"")[0].contains("http://"));
        assert!(problems("[alertmanager]\nurl = \"http://ada:pw@alertmanager\"")[0].contains("authorization"));
        assert!(problems("[kafka]\ntopic = \"not a topic\"")[0].starts_with("kafka.topic"));
        assert!(problems("page_url = \"whydunit\"\ngive_up_after_s = 1")[1].starts_with("give_up_after_s"));
    }

    #[test]
    fn secrets_are_neither_printed_nor_serialised() {
        let text = "[alertmanager]\nurl = \"http://am:9093\"\nauthorization = \"Bearer hush\"\n[webhook]\nurl = \
                    \"https://hooks.example.org/hush\"\nsecret = \"whsec_aHVzaGh1c2hodXNoaHVzaGh1c2hodXNo\"";
        let options = read(text);
        assert_eq!(options.problems(), []);
        for shown in [format!("{options:?}"), toml::to_string(&options).unwrap()] {
            assert!(!shown.contains("hush") && !shown.contains("aHVz"), "{shown}");
            assert!(shown.contains("https://hooks.example.org/…") && shown.contains("http://am:9093"), "{shown}");
        }
    }
}
