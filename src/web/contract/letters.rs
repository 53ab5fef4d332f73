//! Bodies of what a person decides on dead letters.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::bodies::{NAME_CHARS_MAX, PROSE_CHARS_MAX};
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

/// Which dead letters: exactly one of the three.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SelectionRequest {
    /// A group's fingerprint.
    pub fingerprint: Option<String>,
    pub connector: Option<String>,
    /// `true` for all.
    pub all: Option<bool>,
}

impl SelectionRequest {
    pub fn read(mut fields: Fields) -> Result<LetterSelection, Problem> {
        let select = selection(&mut fields);
        fields.finish()?;
        select.ok_or_else(Problem::internal)
    }
}

/// Which waiting dead letters (exactly one of the first three), and why nobody will need them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DiscardManyRequest {
    /// A group's fingerprint.
    pub fingerprint: Option<String>,
    pub connector: Option<String>,
    /// `true` for all that wait.
    pub all: Option<bool>,
    #[schema(min_length = 1, max_length = 2000)]
    pub reason: String,
}

impl DiscardManyRequest {
    pub fn read(mut fields: Fields) -> Result<(LetterSelection, String), Problem> {
        let select = selection(&mut fields);
        let reason = fields.text("reason", PROSE_CHARS_MAX);
        fields.finish()?;
        Ok((select.ok_or_else(Problem::internal)?, reason))
    }
}

/// `None` when a fault was told.
fn selection(fields: &mut Fields) -> Option<LetterSelection> {
    let fingerprint = fields.optional_text("fingerprint", NAME_CHARS_MAX).map(LetterSelection::Group);
    let connector = fields.optional_text("connector", NAME_CHARS_MAX).map(LetterSelection::Connector);
    let all = fields.take("all");
    if all.as_ref().is_some_and(|all| *all != serde_json::Value::Bool(true)) {
        fields.fault("all", "must be true, or left out");
    }
    let all = all.map(|_| LetterSelection::All);
    let given: Vec<_> = [fingerprint, connector, all].into_iter().flatten().collect();
    match <[LetterSelection; 1]>::try_from(given) {
        Ok([select]) => Some(select),
        Err(_) => {
            fields.fault("fingerprint", "give exactly one of fingerprint, connector and all");
            None
        }
    }
}

/// How many dead letters a decision took.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct LettersTaken {
    pub count: u64,
}
