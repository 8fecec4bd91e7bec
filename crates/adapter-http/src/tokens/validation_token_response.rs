//! The parameters and response that `handle-auth` and `change-app` share.

use std::net::IpAddr;

use actix_web::http::StatusCode;
use actix_web::http::header::CACHE_CONTROL;
use actix_web::{HttpRequest, HttpResponse};
use domain::ids::ClientId;
use serde::Serialize;
use use_cases::sessions::Minted;
use use_cases::tokens::IssuedValidationToken;
use utoipa::ToSchema;

use crate::authorised::Authorised;
use crate::peer::TrustedProxies;
use crate::problem::Problem;

/// A validation token for the target application.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = HandleAuthResponse)]
pub(super) struct ValidationTokenResponse {
    /// A secret that can be used once, within 60 seconds.
    validation_token: String,
    /// The client that the request came from.
    origin_client_id: String,
    user_id: String,
    /// The IP address of the user, if it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    ip: Option<String>,
}

impl From<IssuedValidationToken> for ValidationTokenResponse {
    fn from(validation_token: IssuedValidationToken) -> Self {
        Self {
            validation_token: validation_token.validation_token.reveal().to_owned(),
            origin_client_id: validation_token.origin_client.to_string(),
            user_id: validation_token.user.to_string(),
            ip: validation_token.ip.map(|ip| ip.to_string()),
        }
    }
}

pub(super) fn respond<P>(
    authorised: &Authorised<P>,
    status: StatusCode,
    minted: Minted<IssuedValidationToken>,
) -> HttpResponse {
    let validation_token = minted.into_inner();
    authorised.record_object("user", validation_token.user.as_str());
    HttpResponse::build(status)
        .insert_header((CACHE_CONTROL, "no-store"))
        .json(ValidationTokenResponse::from(validation_token))
}

/// Parses the client id of the target application, which is the query parameter `name`.
pub(super) fn parse_target(name: &str, value: Option<String>) -> Result<ClientId, Problem> {
    let id = value
        .filter(|id| !id.is_empty())
        .ok_or_else(|| Problem::missing(name))?;
    ClientId::parse(id).map_err(|error| Problem::malformed_field(name, error.to_string()))
}

/// Returns the user's address: the one in the body, or else the address that the request comes from.
pub(super) fn user_address(
    given: Option<String>,
    request: &HttpRequest,
    proxies: &TrustedProxies,
) -> Result<Option<IpAddr>, Problem> {
    let parse = |text: String| {
        text.parse()
            .map_err(|_| Problem::malformed_field("ip", "ip must be an IPv4 or IPv6 address"))
    };
    let given = given.filter(|text| !text.is_empty()).map(parse).transpose()?;
    Ok(given.or_else(|| proxies.caller_address(request)))
}
