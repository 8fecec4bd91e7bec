use actix_web::HttpResponse;
use actix_web::http::header::{CACHE_CONTROL, PRAGMA};
use domain::client::ExpiresIn;
use serde::Serialize;
use use_cases::sessions::{IssuedTokens, Minted};
use utoipa::ToSchema;

/// The token response.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct TokenResponse {
    access_token: String,
    #[schema(example = "Bearer")]
    token_type: &'static str,
    /// Absent if no session was started or continued.
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<String>,
    /// The expiry of the access token, as a decimal string. In the response to a client login it is the lifetime in
    /// seconds. Elsewhere it is the absolute expiry in Unix seconds, equal to the `exp` of the token. The registration
    /// of a client may fix one of the two for all its responses.
    #[schema(example = "1612483680")]
    expires_in: String,
    /// The scopes of the access token.
    #[schema(example = json!(["READ", "WRITE"]))]
    scope: Vec<String>,
}

pub(super) fn respond(minted: Minted<IssuedTokens>) -> HttpResponse {
    let tokens = minted.into_inner();
    let expires_in = match tokens.expires_in {
        ExpiresIn::Absolute => tokens.expires_at.as_second(),
        ExpiresIn::Remaining => tokens.expires_at.as_second() - tokens.issued_at.as_second(),
    };
    HttpResponse::Ok()
        .insert_header((CACHE_CONTROL, "no-store"))
        .insert_header((PRAGMA, "no-cache"))
        .json(TokenResponse {
            access_token: tokens.access_token,
            token_type: "Bearer",
            refresh_token: tokens.refresh_token,
            expires_in: expires_in.to_string(),
            scope: tokens.scopes,
        })
}
