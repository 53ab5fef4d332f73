//! What points outside: reasons to believe that no change of ours did it.

/// Strength of an outside cause, 0 to 1, and its sentence.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outside {
    pub strength: f64,
    pub sentence: String,
}

/// More requests at the door than usual.
#[derive(Clone, Debug, PartialEq)]
pub struct Surge {
    pub service: String,
    pub before: f64,
    pub now: f64,
}

const PUBLIC_ENDINGS: [&str; 9] = [".com", ".net", ".org", ".io", ".dev", ".cloud", ".app", ".ai", ".co"];
const PLATFORM: [&str; 14] = [
    "node not ready",
    "nodenotready",
    "evicted",
    "preempt",
    "spot instance",
    "hardware",
    "i/o error",
    "kernel",
    "nvme",
    "disk failure",
    "availability zone",
    "packet loss",
    "network partition",
    "no route to host",
];

/// Judges the error texts of the first failing service and the load at the entry.
pub fn outside_cause(first: &str, errors: &[&str], is_ours: &dyn Fn(&str) -> bool, surge: Option<&Surge>) -> Outside {
    let mut best = Outside::default();
    let mut offer = |strength: f64, sentence: String| {
        if strength > best.strength {
            best = Outside { strength, sentence };
        }
    };
    let all = errors.len();
    let share = |count: usize| count as f64 / all.max(1) as f64;
    let hosts: Vec<String> = errors.iter().filter_map(|text| outside_host(text, is_ours)).collect();
    if let Some(host) = hosts.iter().min() {
        offer(share(hosts.len()), format!("{} of {all} error texts of {first} name the outside host {host}", hosts.len()));
    }
    let lower: Vec<String> = errors.iter().map(|text| text.to_lowercase()).collect();
    let expired = lower.iter().filter(|text| text.contains("expired") || text.contains("not yet valid")).count();
    if expired > 0 {
        offer(share(expired), format!("{expired} of {all} error texts of {first} say that a certificate or credential has expired"));
    }
    let platform = lower.iter().filter(|text| PLATFORM.iter().any(|word| text.contains(word))).count();
    if platform > 0 {
        offer(share(platform), format!("{platform} of {all} error texts of {first} name the platform (node, disk, network)"));
    }
    if let Some(surge) = surge.filter(|surge| surge.now >= 1.5 * surge.before) {
        offer(0.9, format!("requests at {} rose from {:.1} to {:.1} a second at the onset", surge.service, surge.before, surge.now));
    }
    best
}

/// The first name in a text that looks like a public host and is not one of ours.
fn outside_host(text: &str, is_ours: &dyn Fn(&str) -> bool) -> Option<String> {
    let is_part = |letter: char| letter.is_ascii_alphanumeric() || letter == '.' || letter == '-';
    text.split(|letter: char| !is_part(letter))
        .map(|name| name.trim_matches(|letter| letter == '.' || letter == '-').to_ascii_lowercase())
        .find(|name| {
            let parts: Vec<&str> = name.split('.').collect();
            let named =
                parts.len() >= 2 && parts.iter().all(|part| !part.is_empty()) && PUBLIC_ENDINGS.iter().any(|ending| name.ends_with(ending));
            // `com.shop.Checkout` is a class, `api.shop.com` a host.
            named && !PUBLIC_ENDINGS.iter().any(|ending| parts[0] == &ending[1..]) && !is_ours(parts[0])
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partner_that_every_error_names_points_outside() {
        let texts = ["POST https://api.acquirer.com/charge: 503", "timeout calling api.acquirer.com"];
        let cause = outside_cause("payment", &texts, &|_| false, None);
        assert_eq!(cause.strength, 1.0);
        assert!(cause.sentence.contains("api.acquirer.com"));
    }

    #[test]
    fn class_names_and_our_own_hosts_do_not() {
        let texts = ["com.shop.cart.CartException: empty", "calling cart.shop.io failed"];
        assert_eq!(outside_cause("web", &texts, &|name| name == "cart", None).strength, 0.0);
    }
}
