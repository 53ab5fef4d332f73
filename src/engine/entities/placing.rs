//! Whose a change is, by the rules of the settings.

use std::collections::BTreeSet;

use serde_json::Value;

use super::aliases::Aliases;
use super::options::{ChangeRule, EntityOptions};
use super::pattern::{fits, lies_under};
use crate::model::event::truncate;
use crate::model::{Event, Source};

/// Characters of a service.
const MAX_NAME: usize = 200;
/// Services of one event.
const MAX_SERVICES: usize = 20;

/// Says whose an event is. A change that rules fit is of the services they name: all of them stand in `data.services`, and it is of
/// the one service where there is only one. Then every name means what its alias means.
pub fn place(event: &mut Event, options: &EntityOptions, aliases: &Aliases) {
    let services = if may_be_placed(event) { services_of(event, &options.changes) } else { BTreeSet::new() };
    if !services.is_empty() {
        let named: BTreeSet<String> =
            services.into_iter().take(MAX_SERVICES).map(|name| truncate(aliases.resolve(name), MAX_NAME)).collect();
        event.service = named.first().filter(|_| named.len() == 1).cloned();
        if event.data.is_null() {
            event.data = Value::Object(serde_json::Map::new());
        }
        if let Some(data) = event.data.as_object_mut() {
            data.insert("services".to_owned(), named.into_iter().collect());
        }
    } else if let Some(service) = event.service.take().filter(|name| !name.is_empty()) {
        event.service = Some(truncate(aliases.resolve(&service), MAX_NAME));
    }
}

/// Alerts and notes name whose they are; forges and pipelines name repositories.
fn may_be_placed(event: &Event) -> bool {
    matches!(event.source, Source::Git | Source::Ci) || event.is_change()
}

/// For each changed path the service of the first rule that fits; without paths, that of the first rule that fits at all.
fn services_of<'r>(event: &Event, rules: &'r [ChangeRule]) -> BTreeSet<&'r str> {
    if rules.is_empty() {
        return BTreeSet::new();
    }
    let told = Told::of(event);
    let fitting: Vec<&ChangeRule> = rules.iter().filter(|rule| told.fits(rule)).collect();
    let of_path = |path: Option<&&str>| {
        let lies = |rule: &&&ChangeRule| match (&rule.path, path) {
            (None, _) => true,
            (Some(folder), Some(path)) => lies_under(folder, path),
            (Some(_), None) => false,
        };
        fitting.iter().find(lies).map(|rule| rule.service.as_str())
    };
    match told.paths.as_slice() {
        [] => of_path(None).into_iter().collect(),
        paths => paths.iter().filter_map(|path| of_path(Some(path))).collect(),
    }
}

/// What an event tells that rules ask for.
struct Told<'e> {
    repository: Option<&'e str>,
    deployment: Option<&'e str>,
    images: Vec<&'e str>,
    paths: Vec<&'e str>,
}

impl<'e> Told<'e> {
    fn of(event: &'e Event) -> Self {
        let text = |name: &str| event.data.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
        let texts = |name: &str| {
            let list = event.data.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
            list.iter().filter_map(|item| item.as_str().or_else(|| item.get("filename")?.as_str())).filter(|text| !text.is_empty())
        };
        let is_deployed =
            event.event_type.starts_with("deployment") || event.event_type == "rollback" || event.event_type.starts_with("health_");
        let mut paths: Vec<&str> = texts("files").collect();
        if paths.is_empty() {
            // Where a deployment is described, in a repository of such descriptions.
            paths.extend(text("path"));
        }
        Self {
            repository: text("repository"),
            deployment: text("deployment").or_else(|| event.service.as_deref().filter(|name| is_deployed && !name.is_empty())),
            images: texts("images").chain(text("image")).chain(text("artifact")).map(without_tag).collect(),
            paths,
        }
    }

    /// All but the path.
    fn fits(&self, rule: &ChangeRule) -> bool {
        let is = |pattern: &Option<String>, told: Option<&str>| {
            pattern.as_ref().is_none_or(|pattern| told.is_some_and(|told| fits(pattern, told)))
        };
        is(&rule.repository, self.repository)
            && is(&rule.deployment, self.deployment)
            && rule.image.as_ref().is_none_or(|pattern| self.images.iter().any(|image| fits(pattern, image)))
    }
}

/// `ghcr.io/shop/cart` of `ghcr.io/shop/cart:1.4.2` or `ghcr.io/shop/cart@sha256:…`.
fn without_tag(image: &str) -> &str {
    let image = image.split('@').next().unwrap_or(image);
    match image.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') && !name.is_empty() => name,
        _ => image,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::model::{Severity, Timestamp};

    fn event(event_type: &str, service: &str, data: Value) -> Event {
        let mut event = Event::new("e".to_owned(), Timestamp::EPOCH, Source::Git, event_type, Severity::Info, "t");
        event.service = Some(service.to_owned());
        event.data = data;
        event
    }

    fn options() -> EntityOptions {
        let rule = |repository: Option<&str>, path: Option<&str>, service: &str| ChangeRule {
            repository: repository.map(str::to_owned),
            path: path.map(str::to_owned),
            service: service.to_owned(),
            ..ChangeRule::default()
        };
        let changes = vec![
            rule(Some("shop/mono"), Some("services/payments/"), "payments-svc"),
            rule(Some("shop/mono"), Some("services/cart/"), "cart"),
            ChangeRule { deployment: Some("pay-*".to_owned()), service: "payments".to_owned(), ..ChangeRule::default() },
            ChangeRule { image: Some("*/shop/ledger".to_owned()), service: "ledger".to_owned(), ..ChangeRule::default() },
        ];
        EntityOptions { changes, ..EntityOptions::default() }
    }

    fn placed(mut event: Event) -> (Option<String>, Value) {
        let aliases = Aliases::lenient([("payments-svc".to_owned(), "payments".to_owned())].into());
        place(&mut event, &options(), &aliases);
        (event.service, event.data.get("services").cloned().unwrap_or(Value::Null))
    }

    #[test]
    fn a_commit_of_a_monorepo_belongs_to_each_service_whose_folder_it_touches() {
        let commit = |files: &[&str]| event("commit", "mono", json!({"repository": "shop/mono", "files": files}));
        let one = commit(&["services/payments/src/pool.rs", "README.md"]);
        assert_eq!(placed(one), (Some("payments".to_owned()), json!(["payments"])));
        let two = commit(&["services/payments/src/pool.rs", "services/cart/Cargo.toml"]);
        assert_eq!(placed(two), (None, json!(["cart", "payments"])));
        let none = commit(&["README.md"]);
        assert_eq!(placed(none), (Some("mono".to_owned()), Value::Null));
    }

    #[test]
    fn deployments_and_images_find_their_service() {
        let deployed = event("deployment", "pay-eu-1", json!({"environment": "production"}));
        assert_eq!(placed(deployed), (Some("payments".to_owned()), json!(["payments"])));
        let published = event("artifact_published", "x", json!({"artifact": "ghcr.io/shop/ledger@sha256:12ab"}));
        assert_eq!(placed(published), (Some("ledger".to_owned()), json!(["ledger"])));
        let other = event("deployment", "cart", json!({"image": "localhost:5000/shop/cart"}));
        assert_eq!(placed(other), (Some("cart".to_owned()), Value::Null));
    }

    #[test]
    fn an_alert_keeps_the_service_it_names_but_for_aliases() {
        let mut alert = event("alert", "payments-svc", json!({"repository": "shop/mono"}));
        alert.source = Source::Manual;
        assert_eq!(placed(alert), (Some("payments".to_owned()), Value::Null));
        assert_eq!(placed(event("alert", "", Value::Null)).0, None);
    }

    #[test]
    fn without_rules_and_aliases_nothing_changes() {
        let mut commit = event("commit", "mono", json!({"repository": "shop/mono", "files": ["services/cart/x"]}));
        let before = commit.clone();
        place(&mut commit, &EntityOptions::default(), &Aliases::default());
        assert_eq!(commit, before);
    }
}
