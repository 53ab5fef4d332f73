//! What settings say of entities.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::aliases::Aliases;

/// Characters of a name, attribute or pattern.
const MAX_CHARS: usize = 200;
/// Rules: each is tried in turn.
const MAX_RULES: usize = 1_000;
/// Attributes of the settings' own: each is compared with every attribute of a record.
pub const MAX_ATTRIBUTES: usize = 10;

/// How services, pods, deployments and repositories become one entity.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EntityOptions {
    /// Attributes, labels or fields that name a record's service, tried in this order before those that whydunit knows.
    pub service_attributes: Vec<String>,
    /// Name → the service it means.
    pub aliases: BTreeMap<String, String>,
    /// Which service a change is of; the first rule that fits a changed path decides.
    pub changes: Vec<ChangeRule>,
}

/// A rule fits when all that it gives fits. `*` stands for any letters.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ChangeRule {
    /// `shop/*`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repository: Option<String>,
    /// Folder or file that a changed path lies under: `services/payments/`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Name that a deployment goes by: `payments-*`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deployment: Option<String>,
    /// Image or artifact without its tag: `ghcr.io/shop/payments`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    pub service: String,
}

impl EntityOptions {
    /// What cannot work, each with its key.
    pub fn problems(&self) -> Vec<(String, String)> {
        let mut problems = Vec::new();
        if self.service_attributes.len() > MAX_ATTRIBUTES {
            problems.push(("service_attributes".to_owned(), format!("at most {MAX_ATTRIBUTES}, got {}", self.service_attributes.len())));
        }
        let bad = |text: &String| text.trim().is_empty() || text.chars().count() > MAX_CHARS;
        for (index, _) in self.service_attributes.iter().enumerate().filter(|(_, name)| bad(name)) {
            problems.push((format!("service_attributes[{index}]"), format!("must have 1 to {MAX_CHARS} characters")));
        }
        if let Err(error) = Aliases::new(self.aliases.clone()) {
            problems.push((format!("aliases.{}", error.name), error.reason));
        }
        if self.changes.len() > MAX_RULES {
            problems.push(("changes".to_owned(), format!("at most {MAX_RULES} rules, got {}", self.changes.len())));
        }
        for (index, rule) in self.changes.iter().enumerate() {
            problems.extend(rule.problems().into_iter().map(|(key, reason)| (format!("changes[{index}].{key}"), reason)));
        }
        problems
    }
}

/// True when a record's attribute, label or field is the one named: dots and underscores are alike.
pub fn is_attribute(name: &str, key: &[u8]) -> bool {
    let plain = |byte: u8| if byte == b'.' { b'_' } else { byte };
    name.len() == key.len() && name.bytes().zip(key).all(|(left, right)| plain(left) == plain(*right))
}

impl ChangeRule {
    fn given(&self) -> impl Iterator<Item = (&'static str, &String)> {
        let fields = [("repository", &self.repository), ("path", &self.path), ("deployment", &self.deployment), ("image", &self.image)];
        fields.into_iter().filter_map(|(key, value)| Some((key, value.as_ref()?)))
    }

    fn problems(&self) -> Vec<(&'static str, String)> {
        let bad = |text: &str| text.trim().is_empty() || text.chars().count() > MAX_CHARS;
        let mut problems: Vec<(&'static str, String)> = self
            .given()
            .chain([("service", &self.service)])
            .filter(|(_, text)| bad(text))
            .map(|(key, _)| (key, format!("must have 1 to {MAX_CHARS} characters")))
            .collect();
        if self.given().next().is_none() {
            problems.push(("service", "the rule fits everything: give repository, path, deployment or image".to_owned()));
        }
        problems
    }
}
