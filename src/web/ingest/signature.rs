//! Who sends a webhook: GitHub's signature, GitLab's token.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use subtle::ConstantTimeEq as _;
use warp::http::HeaderMap;

use super::IngestOptions;
use crate::web::rejection::Problem;

/// What a request says of itself and has to prove.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Claim<'o> {
    Github { secret: &'o str },
    Gitlab { token: &'o str },
}

/// Whose webhook it says it is, where there is something to prove it by.
pub(super) fn claim<'o>(options: &'o IngestOptions, headers: &HeaderMap) -> Option<Claim<'o>> {
    let says = |name: &str| headers.contains_key(name);
    let github = options.github_secret.as_deref().filter(|_| says("x-github-event") || says("x-hub-signature-256"));
    let gitlab = options.gitlab_token.as_deref().filter(|_| says("x-gitlab-event") || says("x-gitlab-token"));
    github.map(|secret| Claim::Github { secret }).or(gitlab.map(|token| Claim::Gitlab { token }))
}

/// Refuses a webhook that does not prove whose it says it is; `body` as it came.
pub(super) fn check(options: &IngestOptions, headers: &HeaderMap, body: &[u8]) -> Result<(), Problem> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    match claim(options, headers) {
        None => Ok(()),
        Some(Claim::Github { secret }) => match text("x-hub-signature-256") {
            Some(signature) if is_signed(secret, signature, body) => Ok(()),
            Some(_) => Err(Problem::bad_signature("X-Hub-Signature-256 is not made of this body with ingest.github_secret")),
            None => Err(Problem::bad_signature("X-Hub-Signature-256 is missing: give the webhook ingest.github_secret as its secret")),
        },
        Some(Claim::Gitlab { token }) => match text("x-gitlab-token") {
            Some(given) if given.as_bytes().ct_eq(token.as_bytes()).into() => Ok(()),
            Some(_) => Err(Problem::bad_signature("X-Gitlab-Token is not ingest.gitlab_token")),
            None => Err(Problem::bad_signature("X-Gitlab-Token is missing: give the webhook ingest.gitlab_token as its secret token")),
        },
    }
}

/// docs.github.com/webhooks/using-webhooks/validating-webhook-deliveries: `sha256=` and the HMAC in hexadecimal digits.
fn is_signed(secret: &str, signature: &str, body: &[u8]) -> bool {
    let Some(given) = signature.strip_prefix("sha256=").and_then(bytes_of_hex) else { return false };
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else { return false };
    mac.update(body);
    mac.verify_slice(&given).is_ok()
}

fn bytes_of_hex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> = text.chars().map(|digit| digit.to_digit(16).and_then(|value| u8::try_from(value).ok())).collect();
    let digits = digits.filter(|digits| digits.len().is_multiple_of(2))?;
    Some(digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    fn checked(options: &IngestOptions, headers: &[(&'static str, &str)], body: &[u8]) -> Result<(), u16> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, value.parse().unwrap());
        }
        check(options, &map, body).map_err(|problem| problem.status)
    }

    /// The example of GitHub's documentation.
    const SECRET: &str = "It's a Secret to Everybody";
    const SIGNATURE: &str = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";

    #[test]
    fn a_webhook_of_github_is_taken_with_the_right_signature_alone() {
        let options = IngestOptions { github_secret: Some(SECRET.to_owned()), ..IngestOptions::default() };
        let event = ("x-github-event", "push");
        let signed = |signature| [event, ("x-hub-signature-256", signature)];
        assert_eq!(checked(&options, &signed(SIGNATURE), b"Hello, World!"), Ok(()));
        assert_eq!(checked(&options, &signed(SIGNATURE), b"Hello, World?"), Err(401));
        for wrong in [&SIGNATURE[..70], "sha256=", "sha256=zz", "757107ea", "sha1=757107ea0eb2509fc211221cce984b8a37570b6d"] {
            assert_eq!(checked(&options, &signed(wrong), b"Hello, World!"), Err(401), "{wrong}");
        }
        assert_eq!(checked(&options, &[event], b"Hello, World!"), Err(401));
        assert_eq!(checked(&IngestOptions::default(), &[event], b"Hello, World!"), Ok(()), "there is nothing to prove it by");
    }

    #[test]
    fn a_webhook_of_gitlab_is_taken_with_the_right_token_alone() {
        let options = IngestOptions { gitlab_token: Some("a long token".to_owned()), ..IngestOptions::default() };
        let event = ("x-gitlab-event", "Push Hook");
        assert_eq!(checked(&options, &[event, ("x-gitlab-token", "a long token")], b"{}"), Ok(()));
        assert_eq!(checked(&options, &[event, ("x-gitlab-token", "another token")], b"{}"), Err(401));
        assert_eq!(checked(&options, &[event], b"{}"), Err(401));
    }
}
