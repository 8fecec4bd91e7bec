use actix_web::http::header::CACHE_CONTROL;
use actix_web::{HttpResponse, web};
use domain::caller::VerifiedToken;
use domain::ids::{BusinessId, FamilyId};
use domain::tokens::permissions::IntrospectToken;
use serde::Serialize;
use use_cases::tokens::{ActiveRefreshToken, Introspection, TokensUseCases};
use utoipa::ToSchema;

use super::token_request::{self, TokenRequest};
use crate::Authenticator;
use crate::authorised::Authorised;
use crate::body::Body;
use crate::endpoints::OperationDoc;
use crate::problem::Problem;

/// The introspection response of RFC 7662 section 2.2. For an inactive token, `active` is the only member. For a
/// refresh token, the members are `active`, `client_id`, `exp`, `sub`, `user_id` and `sid`.
#[derive(Default, Serialize, ToSchema)]
struct IntrospectTokenResponse {
    /// True if the token is active: it has not expired, it is not revoked, and its user and client may use it.
    active: bool,
    /// The scopes of the token, separated by spaces.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "READ WRITE")]
    scope: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_id: Option<String>,
    /// Absent for a refresh token, which does not authorize requests.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "Bearer")]
    token_type: Option<&'static str>,
    /// The time at which the token expires, in Unix seconds. For a refresh token it is the idle or the absolute expiry
    /// of its session, whichever comes first.
    #[serde(skip_serializing_if = "Option::is_none")]
    exp: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    iat: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sub: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    aud: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    iss: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    jti: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    business_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    roles: Option<Vec<String>>,
    /// The id of the session.
    #[serde(skip_serializing_if = "Option::is_none")]
    sid: Option<String>,
    /// The number of times the user's credential had been locked when the token was issued.
    #[serde(skip_serializing_if = "Option::is_none")]
    epoch: Option<u64>,
    /// The number of times all sessions of the user had been ended when the token was issued; absent for 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    sv: Option<u64>,
}

impl From<&VerifiedToken> for IntrospectTokenResponse {
    fn from(token: &VerifiedToken) -> Self {
        let caller = &token.caller;
        let user = caller.user.as_ref();
        let user_id = user.map(|user| user.id.to_string());
        Self {
            active: true,
            scope: Some(caller.scopes.join(" ")),
            client_id: Some(caller.client.to_string()),
            token_type: Some("Bearer"),
            exp: Some(caller.expires_at.as_second()),
            iat: Some(token.issued_at.as_second()),
            sub: Some(user_id.clone().unwrap_or_else(|| caller.client.to_string())),
            aud: Some(token.audience.clone()),
            iss: Some(token.issuer.clone()),
            jti: Some(token.id.clone()),
            user_id,
            business_id: user.and_then(|user| user.business.as_ref().map(BusinessId::to_string)),
            roles: Some(caller.roles.clone()),
            sid: user.and_then(|user| user.session.as_ref().map(FamilyId::to_string)),
            epoch: user.map(|user| user.epoch),
            sv: user.map(|user| user.sessions_version).filter(|version| *version > 0),
        }
    }
}

impl From<ActiveRefreshToken> for IntrospectTokenResponse {
    fn from(token: ActiveRefreshToken) -> Self {
        Self {
            active: true,
            client_id: Some(token.client.to_string()),
            exp: Some(token.expires_at.as_second()),
            sub: Some(token.user.to_string()),
            user_id: Some(token.user.to_string()),
            sid: Some(token.session.to_string()),
            ..Self::default()
        }
    }
}

impl From<Introspection> for IntrospectTokenResponse {
    fn from(introspection: Introspection) -> Self {
        match introspection {
            Introspection::AccessToken(token) => Self::from(&*token),
            Introspection::RefreshToken(token) => token.into(),
            Introspection::Inactive => Self::default(),
        }
    }
}

pub(crate) async fn handle(
    _: Authorised<IntrospectToken>,
    body: Body,
    tokens: web::Data<TokensUseCases>,
    authenticator: web::Data<Authenticator>,
) -> Result<HttpResponse, Problem> {
    let token = token_request::read(&body, &authenticator).await?;
    let introspection = tokens.introspect_token.run(&token).await?;
    Ok(HttpResponse::Ok()
        .insert_header((CACHE_CONTROL, "no-store"))
        .json(IntrospectTokenResponse::from(introspection)))
}

pub(crate) fn describe(operation: OperationDoc) -> OperationDoc {
    operation
        .operation("tokens", "introspectToken", "Introspect a token")
        .description(
            "Returns whether an access or refresh token is active (RFC 7662), and its claims if it is. The token \
             may belong to any client and user.",
        )
        .without_audit_of_success()
        .requires::<IntrospectToken>()
        .json_or_form_body::<TokenRequest>(true)
        .json_response::<IntrospectTokenResponse>(
            200,
            "The claims of an active token, or `{\"active\":false}` without a reason",
        )
        .body_errors()
        .store_errors()
}
