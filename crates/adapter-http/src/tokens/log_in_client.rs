use actix_web::http::header::AUTHORIZATION;
use actix_web::{HttpRequest, HttpResponse, web};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::ids::ClientId;
use serde::Deserialize;
use use_cases::sessions::TokenError;
use use_cases::tokens::TokensUseCases;
use utoipa::ToSchema;
use utoipa::openapi::security::SecurityRequirement;

use super::problems::problem;
use super::token_response::{TokenResponse, respond};
use crate::body::Body;
use crate::endpoints::OperationDoc;
use crate::login_guard::LoginGuard;
use crate::peer::TrustedProxies;
use crate::problem::Problem;
use crate::request_record;

/// An empty object. The credentials are in the header.
#[derive(Deserialize, ToSchema)]
struct LogInClientRequest {}

/// Returns the client id and the secret of HTTP Basic (RFC 7617). A malformed header is treated like a wrong secret.
fn basic_credentials(request: &HttpRequest) -> Option<(String, String)> {
    let mut headers = request.headers().get_all(AUTHORIZATION);
    let (Some(header), None) = (headers.next(), headers.next()) else {
        return None;
    };
    let (scheme, encoded) = header.to_str().ok()?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("Basic") {
        return None;
    }
    let decoded = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (name, secret) = decoded.split_once(':')?;
    Some((name.to_owned(), secret.to_owned()))
}

pub(crate) async fn handle(
    request: HttpRequest,
    body: Body,
    tokens: web::Data<TokensUseCases>,
    proxies: web::Data<TrustedProxies>,
    guard: web::Data<LoginGuard>,
) -> Result<HttpResponse, Problem> {
    if !body.is_empty() {
        body.json_any_content_type::<LogInClientRequest>()?;
    }
    let (name, secret) = basic_credentials(&request).unwrap_or_default();
    let client = ClientId::parse(name.as_str()).ok();
    if let Some(client) = &client {
        request_record::record_object(&request, "client", client.as_str());
    }
    let attempt = guard.admit(proxies.caller_address(&request), &name).map_err(|wait| {
        Problem::too_many_requests("too many failed logins of this client or from this address", wait)
    })?;
    let minted = tokens.log_in_client.run(&name, &secret).await.map_err(|error| {
        if matches!(error, TokenError::BadCredentials) {
            attempt.record_failure();
        }
        problem(error)
    })?;
    request_record::record_client(&request, client);
    Ok(respond(minted))
}

pub(crate) fn describe(operation: OperationDoc) -> OperationDoc {
    operation
        .operation("tokens", "logInClient", "Log a client in")
        .description(
            "Issues an access token that carries no user. The client authenticates with HTTP Basic, using its id and \
             secret.",
        )
        .without_audit_of_success()
        .secured_by(SecurityRequirement::new("basic", Vec::<String>::new()))
        .json_body::<LogInClientRequest>(false)
        .json_response::<TokenResponse>(200, "A client-only access token, without a refresh token")
        .error(401, "The client is unknown or disabled, or the secret is wrong")
        .error(
            429,
            "Too many logins of this client or from this address have failed; repeat after `Retry-After` seconds",
        )
        .body_errors()
        .store_errors()
}
