//! Bodies of what a person tells a connector, and of what names mean.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::bodies::{NAME_CHARS_MAX, PROSE_CHARS_MAX};
use super::fields::Fields;
use crate::web::rejection::Problem;

/// Why the breaker is opened.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TripRequest {
    #[schema(min_length = 1, max_length = 2000)]
    pub reason: String,
}

impl TripRequest {
    pub fn read(mut fields: Fields) -> Result<Self, Problem> {
        let reason = fields.text("reason", PROSE_CHARS_MAX);
        fields.finish()?;
        Ok(Self { reason })
    }
}

/// Why the breaker is closed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ResetRequest {
    #[schema(max_length = 2000)]
    pub reason: Option<String>,
}

impl ResetRequest {
    pub fn read(mut fields: Fields) -> Result<Self, Problem> {
        let reason = fields.optional_text("reason", PROSE_CHARS_MAX);
        fields.finish()?;
        Ok(Self { reason })
    }
}

/// The service that a name means, and how that is known.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AliasRequest {
    #[schema(min_length = 1, max_length = 200)]
    pub service: String,
    #[schema(min_length = 1, max_length = 2000)]
    pub reason: String,
}

impl AliasRequest {
    pub fn read(mut fields: Fields) -> Result<Self, Problem> {
        let service = fields.text("service", NAME_CHARS_MAX);
        let reason = fields.text("reason", PROSE_CHARS_MAX);
        fields.finish()?;
        Ok(Self { service, reason })
    }
}
