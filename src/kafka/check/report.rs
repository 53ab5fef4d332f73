//! What was found, for a person.

use std::fmt;

use super::{ConnectorCheck, Outcome};
use crate::model::Timestamp;

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotUsed => "not used",
            Self::Ok => "ok",
            Self::Failed => "failed",
            Self::NotReached => "not reached",
        })
    }
}

impl fmt::Display for ConnectorCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: {} at {}", self.connector, if self.is_ok() { "ok" } else { "NOT OK" }, self.brokers)?;
        if !self.cluster.is_empty() {
            writeln!(f, "  brokers   {}", self.cluster.join(", "))?;
        }
        writeln!(f, "  security  TLS {}, login {}", self.tls, self.sasl)?;
        writeln!(f, "  group     {}", self.group)?;
        for topic in &self.topics {
            let time = |time: Option<Timestamp>| time.map_or_else(|| "–".to_owned(), |time| time.to_string());
            writeln!(
                f,
                "  topic     {}: {} partitions, up to {} records, {} to {}, compression {}",
                topic.name,
                topic.partitions,
                topic.offsets,
                time(topic.oldest),
                time(topic.newest),
                topic.compression
            )?;
        }
        for problem in &self.problems {
            writeln!(f, "  problem   {}", problem.message)?;
            if let Some(grant) = &problem.grant {
                writeln!(f, "            granted by: {grant}")?;
            }
        }
        Ok(())
    }
}
