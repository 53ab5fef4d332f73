//! Settings `ingest.*`: what comes over HTTP.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::web::options::OptionError;

const BODY_BYTES_MAX: usize = 256 << 20;
const SECRET_CHARS_MIN: usize = 8;

/// Whether records are taken over HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Enabled {
    Fixed(bool),
    Unless(Auto),
}

/// Where no connector is configured, or records came this way before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Auto {
    Auto,
}

#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct IngestOptions {
    pub enabled: Enabled,
    /// Largest request body as it comes, bytes.
    pub max_body_bytes: usize,
    /// MiB of one source that may wait to be read and removed; at that, senders are told to come again.
    pub max_mib: u32,
    /// With which GitHub signs its webhooks; secret.
    #[serde(skip_serializing)]
    pub github_secret: Option<String>,
    /// Which GitLab sends with its webhooks; secret.
    #[serde(skip_serializing)]
    pub gitlab_token: Option<String>,
}

impl Default for IngestOptions {
    fn default() -> Self {
        Self { enabled: Enabled::Unless(Auto::Auto), max_body_bytes: 10 << 20, max_mib: 256, github_secret: None, gitlab_token: None }
    }
}

/// Secrets stay out of logs and panics.
impl fmt::Debug for IngestOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IngestOptions")
            .field("enabled", &self.enabled)
            .field("max_body_bytes", &self.max_body_bytes)
            .field("max_mib", &self.max_mib)
            .field("github_secret", &self.github_secret.as_ref().map(|_| "<secret>"))
            .field("gitlab_token", &self.gitlab_token.as_ref().map(|_| "<secret>"))
            .finish()
    }
}

impl IngestOptions {
    /// Checks what must hold before anything is taken.
    ///
    /// # Errors
    /// The first setting that cannot be used.
    pub fn validate(&self) -> Result<(), OptionError> {
        let refuse = |key, reason| Err(OptionError { key, reason });
        if !(1_024..=BODY_BYTES_MAX).contains(&self.max_body_bytes) {
            return refuse("ingest.max_body_bytes", format!("{} is outside 1024 to {BODY_BYTES_MAX}", self.max_body_bytes));
        }
        if !(1..=1_000_000).contains(&self.max_mib) {
            return refuse("ingest.max_mib", format!("{} is outside 1 to 1000000", self.max_mib));
        }
        for (key, secret) in [("ingest.github_secret", &self.github_secret), ("ingest.gitlab_token", &self.gitlab_token)] {
            if secret.as_ref().is_some_and(|secret| secret.chars().count() < SECRET_CHARS_MIN) {
                return refuse(key, format!("needs at least {SECRET_CHARS_MIN} characters"));
            }
        }
        Ok(())
    }

    /// Bytes of one source that may wait: at least one body of the largest size.
    pub fn max_bytes(&self) -> u64 {
        (u64::from(self.max_mib) << 20).max(2 * self.max_body_bytes as u64)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    #[test]
    fn it_is_on_off_or_left_to_the_other_settings() {
        for (text, enabled) in [("true", Enabled::Fixed(true)), ("false", Enabled::Fixed(false)), ("\"auto\"", Enabled::Unless(Auto::Auto))]
        {
            let read: IngestOptions = toml::from_str(&format!("enabled = {text}")).unwrap();
            assert_eq!(read.enabled, enabled);
        }
        assert!(toml::from_str::<IngestOptions>("enabled = \"perhaps\"").is_err());
    }

    #[test]
    fn limits_and_secrets_that_cannot_hold_are_named() {
        assert_eq!(IngestOptions::default().validate(), Ok(()));
        let tiny = IngestOptions { max_body_bytes: 1, ..IngestOptions::default() };
        assert_eq!(tiny.validate().unwrap_err().key, "ingest.max_body_bytes");
        let short = IngestOptions { github_secret: Some("abc".to_owned()), ..IngestOptions::default() };
        assert_eq!(short.validate().unwrap_err().key, "ingest.github_secret");
        let secret = IngestOptions { gitlab_token: Some("s".repeat(20)), ..IngestOptions::default() };
        assert!(!format!("{secret:?}").contains("ssss") && !toml::to_string(&secret).unwrap().contains("ssss"));
    }
}
