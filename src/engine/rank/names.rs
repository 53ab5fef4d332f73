//! Which names mean the same service: people and tools write `payment`, `payment-service` and `shop/paymentservice`.

use std::collections::{BTreeMap, BTreeSet};

/// A name as it is compared: what stands between separators, without words like "service".
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Parts(Vec<String>);

impl Parts {
    pub fn of(name: &str) -> Self {
        let lower = name.rsplit('/').next().unwrap_or_default().to_ascii_lowercase();
        let parts = lower.split(|letter: char| !letter.is_ascii_alphanumeric()).map(|part| part.strip_suffix("service").unwrap_or(part));
        let says = |part: &&str| !matches!(*part, "" | "service" | "svc" | "api" | "server" | "app" | "deploy");
        Self(parts.filter(says).map(str::to_owned).collect())
    }

    fn mean_the_same(&self, other: &Self) -> bool {
        let (left, right) = (&self.0, &other.0);
        if left.is_empty() || right.is_empty() {
            return false;
        }
        left.starts_with(right)
            || right.starts_with(left)
            || left.ends_with(right)
            || right.ends_with(left)
            || left.iter().flat_map(|part| part.bytes()).eq(right.iter().flat_map(|part| part.bytes()))
    }

    /// Names that mean the same share one of these at least.
    fn keys(&self) -> BTreeSet<String> {
        let ends = self.0.first().into_iter().chain(self.0.last()).cloned();
        ends.chain([self.0.concat()]).collect()
    }
}

/// True when two names mean the same service: equal, or equal but for separators and words like "service", or one named as
/// the other's leading or trailing part.
pub fn same_service(left: &str, right: &str) -> bool {
    Parts::of(left).mean_the_same(&Parts::of(right))
}

/// Names among which others are looked up by [`same_service`] without comparing all with all.
#[derive(Debug)]
pub struct ServiceNames {
    names: Vec<Parts>,
    places: BTreeMap<String, Vec<usize>>,
}

impl ServiceNames {
    pub fn new<'a>(names: impl Iterator<Item = &'a str>) -> Self {
        let names: Vec<Parts> = names.map(Parts::of).collect();
        let mut places: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (place, parts) in names.iter().enumerate() {
            for key in parts.keys() {
                places.entry(key).or_default().push(place);
            }
        }
        Self { names, places }
    }

    /// Places of those that mean the same service as one of `wanted`, in order.
    pub fn places_of(&self, wanted: &[Parts]) -> BTreeSet<usize> {
        let mut found = BTreeSet::new();
        for parts in wanted {
            let near = parts.keys().into_iter().filter_map(|key| self.places.get(&key)).flatten();
            found.extend(near.copied().filter(|place| self.names.get(*place).is_some_and(|known| known.mean_the_same(parts))));
        }
        found
    }

    pub fn has(&self, name: &str) -> bool {
        !self.places_of(&[Parts::of(name)]).is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_repositories_and_services_meet() {
        assert!(same_service("payment", "payment-service"));
        assert!(same_service("shop/payment", "paymentservice"));
        assert!(same_service("ts-food-service", "food-service") && !same_service("ts-food-service", "ts-route-service"));
        assert!(!same_service("services", "payment"));
    }

    #[test]
    fn looking_a_name_up_finds_what_comparing_it_with_all_finds() {
        let words = ["shop", "cart", "pay", "service", "api", "paymentservice", "cart-pay"];
        let mut names: Vec<String> = vec![String::new(), "-".to_owned()];
        for left in words {
            names.push(left.to_owned());
            names
                .extend(words.iter().flat_map(|right| [format!("{left}-{right}"), format!("{left}{right}"), format!("{left}/{right}_db")]));
        }
        let known = ServiceNames::new(names.iter().map(String::as_str));
        for name in &names {
            let compared: BTreeSet<usize> = (0..names.len()).filter(|place| same_service(name, &names[*place])).collect();
            assert_eq!(known.places_of(&[Parts::of(name)]), compared, "{name}");
            assert_eq!(known.has(name), !compared.is_empty(), "{name}");
        }
    }
}
