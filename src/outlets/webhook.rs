//! A signed webhook, as standardwebhooks.com has it: `webhook-id`, `webhook-timestamp`, `webhook-signature`.
//!
//! The id is the notification's, the same each time it is sent; the timestamp is that of the attempt; the signature is `v1,` and
//! the base64 of the HMAC-SHA256 of `id.timestamp.body`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use super::Problem;
use super::http::Client;
use super::options::{self, Options};
use super::payload::payload;
use crate::model::Timestamp;
use crate::model::notification::Outgoing;
use crate::model::ports::{BoxFuture, Outlet};

pub const NAME: &str = "webhook";
const PREFIX: &str = "whsec_";

/// Posts each notification to one address.
pub struct Webhook {
    client: Client,
    url: String,
    key: Vec<u8>,
}

impl std::fmt::Debug for Webhook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Webhook").field("target", &self.target()).finish_non_exhaustive()
    }
}

/// The key in a secret of settings; `None` when it is none.
pub(super) fn key_of(secret: &str) -> Option<Vec<u8>> {
    let key = STANDARD.decode(secret.strip_prefix(PREFIX)?).ok()?;
    (24..=64).contains(&key.len()).then_some(key)
}

impl Webhook {
    /// `None` when no webhook is set.
    ///
    /// # Errors
    /// Settings that cannot be used.
    pub fn new(options: &Options) -> Result<Option<Self>, Problem> {
        let Some(url) = options.webhook.url.clone() else { return Ok(None) };
        let key = options.webhook.secret.as_deref().and_then(key_of);
        let key = key.ok_or_else(|| ("webhook.secret".to_owned(), "is missing or not whsec_ and base64".to_owned()))?;
        Ok(Some(Self { client: Client::new(options)?, url, key }))
    }

    fn signature(&self, id: &str, at_s: i64, body: &str) -> Result<String, String> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key).map_err(|error| error.to_string())?;
        mac.update(format!("{id}.{at_s}.{body}").as_bytes());
        Ok(format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes())))
    }
}

impl Outlet for Webhook {
    fn name(&self) -> &'static str {
        NAME
    }

    fn target(&self) -> String {
        options::origin(&self.url)
    }

    fn send(&self, outgoing: &Outgoing, now: Timestamp) -> BoxFuture<Result<(), String>> {
        let (body, id, at_s) = (payload(outgoing), outgoing.notification.id.clone(), now.seconds());
        match self.signature(&id, at_s, &body) {
            Ok(signature) => {
                let headers = vec![("webhook-id", id), ("webhook-timestamp", at_s.to_string()), ("webhook-signature", signature)];
                self.client.post(&self.url, headers, body)
            }
            Err(error) => Box::pin(std::future::ready(Err(error))),
        }
    }

    fn check(&self) -> BoxFuture<Result<String, String>> {
        let reached = self.client.reach(&self.url);
        Box::pin(async move {
            let status = reached.await?;
            Ok(format!("answers ({status} to HEAD); `whydunit tell --test` posts a test to it"))
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    /// The example of the specification's own libraries.
    #[test]
    fn the_signature_is_that_of_the_specifications_example() {
        let mut options = Options::default();
        options.webhook.url = Some("http://127.0.0.1:1/".to_owned());
        options.webhook.secret = Some("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".to_owned());
        let webhook = Webhook::new(&options).unwrap().unwrap();
        let signature = webhook.signature("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, "{\"test\": 2432232314}").unwrap();
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn a_secret_is_whsec_and_24_to_64_bytes() {
        assert!(key_of("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").is_some());
        for not in ["MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_", "whsec_c2hvcnQ=", "whsec_*"] {
            assert!(key_of(not).is_none(), "{not}");
        }
    }
}
