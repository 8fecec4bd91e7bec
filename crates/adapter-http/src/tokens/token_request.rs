//! The body of requests that concern a token other than their bearer token.

use ports::TokenVerificationError;
use serde::Deserialize;
use use_cases::tokens::InspectedToken;
use utoipa::ToSchema;

use crate::Authenticator;
use crate::body::Body;
use crate::problem::Problem;

/// The parameters of RFC 7009 section 2.1 and RFC 7662 section 2.1, as a form or as JSON.
#[derive(Default, Deserialize, ToSchema)]
#[schema(as = TokenRequest)]
pub(super) struct TokenRequest {
    /// An access token or a refresh token.
    #[schema(required)]
    token: Option<String>,
    /// Accepted but not used: the form of a token shows its type.
    #[serde(rename = "token_type_hint")]
    _token_type_hint: Option<String>,
}

/// Reads the token in the body, and verifies it if it is an access token.
pub(super) async fn read(body: &Body, authenticator: &Authenticator) -> Result<InspectedToken, Problem> {
    let request: TokenRequest = if body.is_empty() {
        TokenRequest::default()
    } else {
        body.json_or_form()?
    };
    let text = request
        .token
        .filter(|text| !text.is_empty())
        .ok_or_else(|| Problem::missing("token"))?;
    Ok(match authenticator.authenticate(&text).await {
        Ok(token) => InspectedToken::Access(token),
        Err(TokenVerificationError::Invalid | TokenVerificationError::UnknownKey) => InspectedToken::Other(text),
        Err(error @ TokenVerificationError::KeysUnavailable) => return Err(Problem::unavailable(error)),
    })
}
