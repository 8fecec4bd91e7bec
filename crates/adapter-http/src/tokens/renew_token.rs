use actix_web::{HttpRequest, HttpResponse, web};
use domain::ids::{ClientId, UserId};
use domain::tokens::permissions::RenewToken;
use serde::Deserialize;
use use_cases::tokens::{ExpectedSubject, RenewTokenRequest, RenewalGrant, TokensUseCases};
use utoipa::ToSchema;
use utoipa::openapi::path::ParameterIn;

use super::TokensApiSettings;
use super::problems::problem;
use super::token_response::{TokenResponse, respond};
use crate::authorised::Authorised;
use crate::body::{self, Body};
use crate::endpoints::OperationDoc;
use crate::problem::Problem;

/// The fields of a renewal, which may be in the query or in the body.
#[derive(Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = RenewTokenRequest)]
struct RenewTokenFields {
    /// A validation token or a refresh token.
    token: Option<String>,
    /// `true`, `false`, `1` or `0`. If true, the response has a refresh token. If false, it has none, and the session
    /// of a presented refresh token is closed. Required with `token`.
    #[serde(rename = "remember-me")]
    #[schema(value_type = Option<bool>)]
    remember_me: Option<BoolField>,
    /// The client. With `userId` and without `token`: the identity provider client at which the user logged in. With
    /// `token`: the client that the token must belong to.
    client_id: Option<String>,
    /// The user. With `clientId` and without `token`: the user who logged in. With `token`: the user that the token
    /// must belong to.
    user_id: Option<String>,
}

/// A boolean in any of the accepted forms.
#[derive(Deserialize)]
#[serde(untagged)]
enum BoolField {
    Bool(bool),
    Number(u64),
    Text(String),
}

impl BoolField {
    fn into_text(self) -> String {
        match self {
            Self::Bool(value) => value.to_string(),
            Self::Number(value) => value.to_string(),
            Self::Text(value) => value,
        }
    }
}

fn parse_bool(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "1" => Some(true),
        "false" | "0" => Some(false),
        _ => None,
    }
}

/// Merges the values of a field that may be in the query, in the body or in both. An empty value counts as absent. Two
/// different values are rejected with 400.
fn merge_query_and_body(field: &str, query: Option<String>, body: Option<String>) -> Result<Option<String>, Problem> {
    let non_empty = |value: Option<String>| value.filter(|value| !value.is_empty());
    match (non_empty(query), non_empty(body)) {
        (Some(one), Some(other)) if one != other => Err(Problem::malformed_field(
            field,
            format!("{field} has different values in the query and the body"),
        )),
        (one, other) => Ok(one.or(other)),
    }
}

fn read(request: &HttpRequest, body: &Body, accepts_query_tokens: bool) -> Result<RenewTokenRequest, Problem> {
    let query: RenewTokenFields = body::query(request)?;
    if !accepts_query_tokens && query.token.as_ref().is_some_and(|token| !token.is_empty()) {
        let message = "token is not accepted in the query; send it in the body";
        return Err(Problem::malformed_field("token", message));
    }
    let body = if body.is_empty() {
        RenewTokenFields::default()
    } else {
        body.json_or_form()?
    };
    let parse_flag = |field: Option<BoolField>| -> Result<Option<bool>, Problem> {
        let text = field.map(BoolField::into_text).filter(|text| !text.is_empty());
        let not_boolean = || Problem::malformed_field("remember-me", "remember-me must be true, false, 1 or 0");
        text.map(|text| parse_bool(&text).ok_or_else(not_boolean)).transpose()
    };
    let remember = match (parse_flag(query.remember_me)?, parse_flag(body.remember_me)?) {
        (Some(one), Some(other)) if one != other => {
            return Err(Problem::malformed_field(
                "remember-me",
                "remember-me has different values in the query and the body",
            ));
        }
        (one, other) => one.or(other),
    };
    let token = merge_query_and_body("token", query.token, body.token)?;
    let client = merge_query_and_body("clientId", query.client_id, body.client_id)?
        .map(ClientId::parse)
        .transpose();
    let client = client.map_err(|error| Problem::malformed_field("clientId", error.to_string()))?;
    let user = merge_query_and_body("userId", query.user_id, body.user_id)?
        .map(UserId::parse)
        .transpose();
    let user = user.map_err(|error| Problem::malformed_field("userId", error.to_string()))?;
    match (token, client, user) {
        (Some(token), client, user) => {
            let remember = remember.ok_or_else(|| Problem::missing("remember-me"))?;
            Ok(RenewTokenRequest {
                grant: RenewalGrant::Token {
                    token,
                    expected: ExpectedSubject { client, user },
                },
                is_remembered: remember,
            })
        }
        (None, Some(client), Some(user)) => Ok(RenewTokenRequest {
            grant: RenewalGrant::IdentityProvider { client, user },
            is_remembered: remember.unwrap_or(false),
        }),
        (None, _, _) => Err(Problem::malformed(
            "either token and remember-me, or userId and clientId, are required",
        )),
    }
}

pub(crate) async fn handle(
    authorised: Authorised<RenewToken>,
    request: HttpRequest,
    body: Body,
    tokens: web::Data<TokensUseCases>,
    settings: web::Data<TokensApiSettings>,
) -> Result<HttpResponse, Problem> {
    let renewal = read(&request, &body, settings.accepts_query_tokens)?;
    let minted = tokens
        .renew_token
        .run(&authorised.call, renewal)
        .await
        .map_err(problem)?;
    Ok(respond(minted))
}

pub(crate) fn describe(operation: OperationDoc) -> OperationDoc {
    operation
        .operation("tokens", "renewToken", "Renew tokens")
        .description(
            "Exchanges a validation token or a refresh token for new tokens, or issues tokens after a login at an \
             identity provider client. A refresh token is rotated: the response has its successor. Presenting the \
             spent token again within the grace time, 30 seconds by default, returns the same successor. After \
             that, it revokes the session. Presenting a used validation token again within the grace time, with \
             the same `remember-me`, returns the same session while that was not renewed. Parameters may be in \
             the query or the body. Prefer the body, because proxies log queries.",
        )
        .without_audit_of_success()
        .requires::<RenewToken>()
        .parameter(
            ParameterIn::Query,
            "token",
            false,
            "A validation token or a refresh token",
        )
        .parameter(
            ParameterIn::Query,
            "remember-me",
            false,
            "`true` for a response with a refresh token. Required with `token`",
        )
        .parameter(
            ParameterIn::Query,
            "clientId",
            false,
            "The client at which the user logged in, if there is no token",
        )
        .parameter(
            ParameterIn::Query,
            "userId",
            false,
            "The user who logged in at the identity provider client, if there is no token",
        )
        .json_or_form_body::<RenewTokenFields>(false)
        .json_response::<TokenResponse>(200, "The new tokens")
        .error(
            412,
            "The user does not exist or is locked, the client cannot be used, or the business is not linked \
             to the user",
        )
        .body_errors()
        .store_errors()
}
