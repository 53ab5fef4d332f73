//! What can go wrong before anything runs.

use thiserror::Error;

use super::options::Problem;

#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum KafkaError {
    #[error("{}", problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Settings { problems: Vec<Problem> },
    /// librdkafka refused the settings as a whole: a file that is not there, a mechanism it was built without.
    #[error("Kafka client: {0}")]
    Client(String),
    /// The broker did not answer, or answered with an error.
    #[error("Kafka: {0}")]
    Broker(String),
    #[error("{undelivered} records were not delivered, the first because: {reason}")]
    Delivery { undelivered: u64, reason: String },
    #[error("no thread for the Kafka consumer: {0}")]
    Thread(String),
}

impl From<rdkafka::error::KafkaError> for KafkaError {
    fn from(error: rdkafka::error::KafkaError) -> Self {
        use rdkafka::error::KafkaError as Native;
        match error {
            Native::ClientCreation(reason) => Self::Client(reason),
            Native::ClientConfig(_, reason, name, _) => Self::Client(format!("property `{name}`: {reason}")),
            other => Self::Broker(other.rdkafka_error_code().map_or_else(|| other.to_string(), |code| code.to_string())),
        }
    }
}
