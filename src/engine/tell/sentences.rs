//! What a notification says.

use crate::engine::detect::number;
use crate::model::event::truncate;
use crate::model::investigation::EngineFindings;
use crate::model::notification::{Notification, NotificationKind, ToldSuspect};
use crate::model::suspect::SuspectKind;

/// As long as a line of a chat or a page may be.
const MAX_CHARS: usize = 500;

pub(super) fn sentence(
    kind: NotificationKind,
    last: Option<&Notification>,
    suspect: Option<&ToldSuspect>,
    findings: &EngineFindings,
) -> String {
    let headline = &findings.headline;
    let text = match kind {
        NotificationKind::Opened if last.is_some() => format!("Again: {headline}"),
        NotificationKind::Opened | NotificationKind::Test => headline.clone(),
        NotificationKind::SuspectChanged => {
            let before = last.and_then(|last| last.suspect.as_ref()).map(|before| format!(", before {}", before.entity));
            let now = suspect.map_or("unknown", |suspect| suspect.entity.as_str());
            format!("First suspect now {now}{}{}. {headline}", sure(suspect, findings), before.unwrap_or_default())
        }
        NotificationKind::Recovered => {
            let lasted = findings.recovered_at.map(|end| end.seconds_since(findings.started_at).max(0.0));
            format!("Recovered{}: {headline}", lasted.map(|seconds| format!(" after {}", lasting(seconds))).unwrap_or_default())
        }
        // It says itself that it was merged, and into which.
        NotificationKind::Merged => headline.clone(),
    };
    truncate(&text, MAX_CHARS)
}

/// The confidence is that of the first service.
fn sure(suspect: Option<&ToldSuspect>, findings: &EngineFindings) -> String {
    match suspect {
        Some(suspect) if suspect.kind == SuspectKind::Service => format!(" ({} % sure)", number(100.0 * findings.confidence)),
        _ => String::new(),
    }
}

fn lasting(seconds: f64) -> String {
    match seconds {
        seconds if seconds >= 5_400.0 => format!("{:.1} h", seconds / 3_600.0),
        seconds if seconds >= 90.0 => format!("{:.0} min", seconds / 60.0),
        seconds => format!("{seconds:.0} s"),
    }
}
