//! The workload that a pod's name was made from.

/// Kubernetes makes suffixes of names of these: no vowels, so that no words come out.
const SUFFIX_ALPHABET: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
/// Characters of the random suffix of a pod.
const POD_SUFFIX: usize = 5;

/// The Deployment, StatefulSet, DaemonSet or CronJob of a pod: `cart-7d9f8b6c5d-x2x4z` gives `cart`, `db-0` gives `db`. `None` where
/// the name has no suffix that Kubernetes makes.
pub(in crate::engine::decode) fn workload_of_pod(pod: &str) -> Option<&str> {
    let (owner, suffix) = split(pod)?;
    if suffix.len() <= 4 && suffix.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(owner);
    }
    if suffix.len() != POD_SUFFIX || !is_suffix(suffix) {
        return None;
    }
    match split(owner) {
        // Hash of a pod template, or the minute a CronJob was due.
        Some((workload, hash)) if (6..=10).contains(&hash.len()) && (is_suffix(hash) || hash.bytes().all(|b| b.is_ascii_digit())) => {
            Some(workload)
        }
        _ => Some(owner),
    }
}

fn split(name: &str) -> Option<(&str, &str)> {
    name.rsplit_once('-').filter(|(owner, suffix)| !owner.is_empty() && !suffix.is_empty())
}

fn is_suffix(text: &str) -> bool {
    text.bytes().all(|byte| SUFFIX_ALPHABET.contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pods_are_called_after_their_workloads() {
        for (pod, workload) in [
            ("cart-7d9f8b6c5d-x2x4z", Some("cart")),
            ("order-api-5c9b7d8f4-bcd45", Some("order-api")),
            ("db-0", Some("db")),
            ("fluent-bit-x2x4z", Some("fluent-bit")),
            ("backup-29384755-k8s5w", Some("backup")),
            ("cart", None),
            ("cart-proxy", None),
            ("cart-7d9", None),
            ("-x2x4z", None),
            ("", None),
        ] {
            assert_eq!(workload_of_pod(pod), workload, "{pod}");
        }
    }
}
