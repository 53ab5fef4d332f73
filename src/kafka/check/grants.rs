//! The commands an administrator has to run.

use crate::kafka::consumer::ConsumerConfig;

/// Writes them for one connector.
pub(super) struct Grants {
    brokers: String,
    principal: String,
    /// A secured cluster lets only those in who show who they are.
    credentials: &'static str,
    /// Groups of connectors that name none begin with this.
    group_prefix: Option<String>,
}

impl Grants {
    pub(super) fn of(config: &ConsumerConfig) -> Self {
        let property = |name| config.source.properties.get(name).or_else(|| config.options.properties.get(name));
        let brokers = config.source.brokers.as_ref().unwrap_or(&config.options.brokers).clone();
        let principal = property("sasl.username").unwrap_or("<whydunit's principal>").to_owned();
        let is_secured = property("security.protocol").is_some_and(|protocol| !protocol.eq_ignore_ascii_case("plaintext"));
        Self {
            brokers,
            principal,
            credentials: if is_secured { " --command-config admin.properties" } else { "" },
            group_prefix: Some(format!("{}-", config.options.group_prefix))
                .filter(|prefix| config.source.group.is_none() && config.group.starts_with(prefix)),
        }
    }

    pub(super) fn topic(&self, topic: &str) -> String {
        // A pattern's literal beginning is what a prefixed grant can cover.
        let literal = topic.strip_prefix('^').map(|pattern| {
            let end = pattern.find(|c: char| !(c.is_ascii_alphanumeric() || c == '-' || c == '_')).unwrap_or(pattern.len());
            &pattern[..end]
        });
        match literal {
            None => self.command(&format!("--operation Read --operation Describe --topic '{topic}'")),
            Some("") => self.command("--operation Read --operation Describe --topic '*'"),
            Some(prefix) => {
                self.command(&format!("--operation Read --operation Describe --topic '{prefix}' --resource-pattern-type prefixed"))
            }
        }
    }

    /// Read of the groups of this and all other connectors at once, unless this one names its own.
    pub(super) fn group(&self, group: &str) -> String {
        match &self.group_prefix {
            Some(prefix) => self.command(&format!("--operation Read --group '{prefix}' --resource-pattern-type prefixed")),
            None => self.command(&format!("--operation Read --group '{group}'")),
        }
    }

    fn command(&self, what: &str) -> String {
        let Self { brokers, principal, credentials, .. } = self;
        format!("kafka-acls.sh --bootstrap-server {brokers}{credentials} --add --allow-principal 'User:{principal}' {what}")
    }
}
