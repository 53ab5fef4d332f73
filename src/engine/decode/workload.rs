//! Whose pod it is: Kubernetes names a pod after the workload that made it.

/// Letters of the random ends that Kubernetes gives names: no vowels, nothing easily mistaken.
const RANDOM: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
/// Those a decimal hash is written in; the template hash of a ReplicaSet is one.
const HASH: &[u8] = b"bcdf456789";

/// `cart` of `cart-6d4cf56db6-x7k2p` (Deployment), `cart-0` (StatefulSet), `cart-x7k2p` (DaemonSet, Job) or `cart-28391234-x7k2p`
/// (CronJob); a name that ends in none of these as it is.
pub(super) fn of_pod(pod: &str) -> &str {
    let Some((head, end)) = split(pod) else { return pod };
    if end.len() <= 4 && is_digits(end) {
        return head;
    }
    if !(end.len() == 5 && is_of(end, RANDOM)) {
        return of_replica_set(pod);
    }
    match split(head) {
        Some((name, middle)) if is_template_hash(middle) || (middle.len() >= 8 && is_digits(middle)) => name,
        _ => head,
    }
}

/// `cart` of `cart-6d4cf56db6`.
pub(super) fn of_replica_set(name: &str) -> &str {
    match split(name) {
        Some((head, end)) if is_template_hash(end) => head,
        _ => name,
    }
}

/// `report` of `report-28391234`: a CronJob's job ends in the minute it was due.
pub(super) fn of_job(name: &str) -> &str {
    match split(name) {
        Some((head, end)) if end.len() >= 8 && is_digits(end) => head,
        _ => name,
    }
}

fn split(name: &str) -> Option<(&str, &str)> {
    name.rsplit_once('-').filter(|(head, end)| !head.is_empty() && !end.is_empty())
}

fn is_template_hash(text: &str) -> bool {
    (6..=10).contains(&text.len()) && is_of(text, HASH)
}

fn is_of(text: &str, letters: &[u8]) -> bool {
    text.bytes().all(|byte| letters.contains(&byte))
}

fn is_digits(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pod_belongs_to_the_workload_that_made_it() {
        for (pod, service) in [
            ("cart-6d4cf56db6-x7k2p", "cart"),
            ("cart-db-5d59d67564-4bqzx", "cart-db"),
            ("kafka-0", "kafka"),
            ("node-exporter-x7k2p", "node-exporter"),
            ("order-api-5c9b7d8f4-bcd45", "order-api"),
            ("cart-proxy", "cart-proxy"),
            ("cart-7d9", "cart-7d9"),
            ("-x2x4z", "-x2x4z"),
            ("report-28391234-x7k2p", "report"),
            ("cart", "cart"),
            ("cart-worker", "cart-worker"),
            ("cart-redis", "cart-redis"),
            ("cart-v2", "cart-v2"),
            ("-0", "-0"),
            ("", ""),
        ] {
            assert_eq!(of_pod(pod), service, "{pod}");
        }
        assert_eq!((of_replica_set("cart-6d4cf56db6"), of_replica_set("cart-web")), ("cart", "cart-web"));
        assert_eq!((of_job("report-28391234"), of_job("migrate-7")), ("report", "migrate-7"));
    }
}
