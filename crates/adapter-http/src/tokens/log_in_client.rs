use actix_web::http::header::AUTHORIZATION;
use actix_web::{HttpRequest, HttpResponse, web};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::ids::ClientId;
use serde::Deserialize;
use use_cases::tokens::{TokenError, TokensUseCases};
use utoipa::ToSchema;
use utoipa::openapi::security::SecurityRequirement;

use super::problems::problem;
use super::token_response::{TokenResponse, answer};
use crate::body::Body;
use crate::endpoints::OperationDoc;
use crate::login_guard::LoginGuard;
use crate::observed;
use crate::peer::TrustedProxies;
use crate::problem::Problem;

/// Nothing: everything is in the header.
#[derive(Deserialize, ToSchema)]
struct LogInClientRequest {}

/// Name and secret of HTTP Basic (RFC 7617); a header that is none is like a wrong secret.
fn basic(request: &HttpRequest) -> Option<(String, String)> {
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
    let (name, secret) = basic(&request).unwrap_or_default();
    let client = ClientId::parse(name.as_str()).ok();
    if let Some(client) = &client {
        observed::concerns(&request, "client", client.as_str());
    }
    let attempt = guard
        .admit(proxies.caller_address(&request), &name)
        .map_err(|wait| Problem::too_many_requests("too many logins failed", wait))?;
    let minted = tokens.log_in_client.run(&name, &secret).await.map_err(|refused| {
        if matches!(refused, TokenError::BadCredentials) {
            attempt.failed();
        }
        problem(refused)
    })?;
    observed::logged_in(&request, client);
    Ok(answer(minted))
}

pub(crate) fn describe(operation: OperationDoc) -> OperationDoc {
    operation
        .operation("tokens", "logInClient", "Log a client in with HTTP Basic")
        .without_audit_of_success()
        .secured_by(SecurityRequirement::new("basic", Vec::<String>::new()))
        .json_body::<LogInClientRequest>(false)
        .answers_json::<TokenResponse>(200, "A client-only token, without a refresh token")
        .error(401, "Unknown client, disabled client or wrong secret")
        .error(429, "Too many logins of this client or from this address failed")
        .body_errors()
        .store_errors()
}
