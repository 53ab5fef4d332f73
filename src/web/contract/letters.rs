//! Bodies of what a person decides on dead letters.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::bodies::PROSE_CHARS_MAX;
use super::fields::Fields;
use crate::model::command::LetterSelection;
use crate::web::rejection::Problem;

/// Bytes in the place of a dead letter's value; at most one of the two.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct EditedRequest {
    pub value_text: Option<String>,
    pub value_base64: Option<String>,
}

impl EditedRequest {
    /// The bytes; `None` when the record's own are meant.
    pub fn read(mut fields: Fields) -> Result<Option<Vec<u8>>, Problem> {
        let text = fields.optional_text("value_text", usize::MAX);
        let base64 = fields.optional_text("value_base64", usize::MAX);
        let bytes = base64.as_deref().map(|text| STANDARD.decode(text));
        if let Some(Err(error)) = &bytes {
            fields.fault("value_base64", format!("not base64: {error}"));
        }
        if text.is_some() && base64.is_some() {
            fields.fault("value_text", "give either value_text or value_base64");
        }
        fields.finish()?;
        Ok(text.map(String::into_bytes).or(bytes.and_then(Result::ok)))
    }
}

/// Which waiting dead letters: exactly one of the three.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SelectionRequest {
    /// A group's fingerprint.
    pub fingerprint: Option<String>,
    pub connector: Option<String>,
    pub all: Option<bool>,
    /// Why nobody will need them; only when they are discarded.
    pub reason: Option<String>,
}

impl SelectionRequest {
    /// The selection, and the reason where one is asked for.
    pub fn read(mut fields: Fields, with_reason: bool) -> Result<(LetterSelection, String), Problem> {
        let fingerprint = fields.optional_text("fingerprint", 100).map(LetterSelection::Group);
        let connector = fields.optional_text("connector", 100).map(LetterSelection::Connector);
        let all = match fields.take("all") {
            Some(serde_json::Value::Bool(true)) => Some(LetterSelection::All),
            Some(_) => {
                fields.fault("all", "true, or leave it out");
                None
            }
            None => None,
        };
        let given: Vec<_> = [fingerprint, connector, all].into_iter().flatten().collect();
        let [select] = given.as_slice() else {
            fields.fault("fingerprint", "give exactly one of fingerprint, connector and all");
            return Err(fields.finish().err().unwrap_or_else(Problem::internal));
        };
        let reason = if with_reason { fields.text("reason", PROSE_CHARS_MAX) } else { String::new() };
        fields.finish()?;
        Ok((select.clone(), reason))
    }
}

/// How many dead letters a decision took.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct LettersTaken {
    pub count: u64,
}
