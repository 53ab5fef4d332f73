//! The JSON that webhook and topic carry.

use crate::model::notification::{NotificationKind, Outgoing};

/// `type`, `timestamp` (of what it tells) and `data`, as standardwebhooks.com has it. `data` is put in as it was stored: the same
/// bytes each time, by whatever version it is sent.
pub(super) fn payload(outgoing: &Outgoing) -> String {
    let Outgoing { notification, content, .. } = outgoing;
    let about = if notification.kind == NotificationKind::Test { "whydunit" } else { "investigation" };
    let kind = notification.kind.as_str();
    format!("{{\"type\":\"{about}.{kind}\",\"timestamp\":\"{}\",\"data\":{content}}}", notification.at)
}
