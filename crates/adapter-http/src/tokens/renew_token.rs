use actix_web::{HttpRequest, HttpResponse, web};
use domain::ids::{ClientId, UserId};
use domain::tokens::permissions::RenewToken;
use serde::Deserialize;
use use_cases::tokens::{ExpectedSubject, RenewTokenRequest, RenewalGrant, TokensUseCases};
use utoipa::ToSchema;
use utoipa::openapi::path::ParameterIn;

use super::problems::problem;
use super::token_response::{TokenResponse, answer};
use crate::ApiSettings;
use crate::authorised::Authorised;
use crate::body::{self, Body};
use crate::endpoints::OperationDoc;
use crate::problem::Problem;

/// The fields, from the query or from a body.
#[derive(Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = RenewTokenRequest)]
struct RenewTokenFields {
    /// A validation token or a refresh token.
    token: Option<String>,
    #[serde(rename = "remember-me")]
    #[schema(value_type = Option<bool>)]
    remember_me: Option<Flag>,
    client_id: Option<String>,
    user_id: Option<String>,
}

/// A truth value as callers write it.
#[derive(Deserialize)]
#[serde(untagged)]
enum Flag {
    Bool(bool),
    Number(u64),
    Text(String),
}

impl Flag {
    fn into_text(self) -> String {
        match self {
            Self::Bool(value) => value.to_string(),
            Self::Number(value) => value.to_string(),
            Self::Text(value) => value,
        }
    }
}

fn truth(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "1" => Some(true),
        "false" | "0" => Some(false),
        _ => None,
    }
}

/// The value of a field that may stand in the query, in the body or in both; empty is absent.
fn agreed(field: &str, query: Option<String>, body: Option<String>) -> Result<Option<String>, Problem> {
    let given = |value: Option<String>| value.filter(|value| !value.is_empty());
    match (given(query), given(body)) {
        (Some(one), Some(other)) if one != other => Err(Problem::malformed_field(
            field,
            format!("{field} differs between query and body"),
        )),
        (one, other) => Ok(one.or(other)),
    }
}

fn read(request: &HttpRequest, body: &Body, query_tokens: bool) -> Result<RenewTokenRequest, Problem> {
    let query: RenewTokenFields = body::query(request)?;
    if !query_tokens && query.token.as_ref().is_some_and(|token| !token.is_empty()) {
        let message = "token is not accepted in the query here; send it in the body";
        return Err(Problem::malformed_field("token", message));
    }
    let body = if body.is_empty() {
        RenewTokenFields::default()
    } else {
        body.json_or_form()?
    };
    let flag = |field: Option<Flag>| -> Result<Option<bool>, Problem> {
        let text = field.map(Flag::into_text).filter(|text| !text.is_empty());
        let not_boolean = || Problem::malformed_field("remember-me", "remember-me is not a boolean");
        text.map(|text| truth(&text).ok_or_else(not_boolean)).transpose()
    };
    let remember = match (flag(query.remember_me)?, flag(body.remember_me)?) {
        (Some(one), Some(other)) if one != other => {
            return Err(Problem::malformed_field(
                "remember-me",
                "remember-me differs between query and body",
            ));
        }
        (one, other) => one.or(other),
    };
    let token = agreed("token", query.token, body.token)?;
    let client = agreed("clientId", query.client_id, body.client_id)?
        .map(ClientId::parse)
        .transpose();
    let client = client.map_err(|malformed| Problem::malformed_field("clientId", malformed.to_string()))?;
    let user = agreed("userId", query.user_id, body.user_id)?
        .map(UserId::parse)
        .transpose();
    let user = user.map_err(|malformed| Problem::malformed_field("userId", malformed.to_string()))?;
    match (token, client, user) {
        (Some(token), client, user) => {
            let remember = remember.ok_or_else(|| Problem::missing("remember-me"))?;
            Ok(RenewTokenRequest {
                grant: RenewalGrant::Token {
                    token,
                    expected: ExpectedSubject { client, user },
                },
                remember,
            })
        }
        (None, Some(client), Some(user)) => Ok(RenewTokenRequest {
            grant: RenewalGrant::IdentityProvider { client, user },
            remember: remember.unwrap_or(false),
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
    settings: web::Data<ApiSettings>,
) -> Result<HttpResponse, Problem> {
    let asked = read(&request, &body, settings.query_tokens)?;
    let minted = tokens.renew_token.run(&authorised.call, asked).await.map_err(problem)?;
    Ok(answer(minted))
}

pub(crate) fn describe(operation: OperationDoc) -> OperationDoc {
    operation
        .operation("tokens", "renewToken", "Renew a user's tokens")
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
            "true for a refresh token with the answer; required with token",
        )
        .parameter(
            ParameterIn::Query,
            "clientId",
            false,
            "The client, after a login at an identity provider",
        )
        .parameter(
            ParameterIn::Query,
            "userId",
            false,
            "The user, after a login at an identity provider",
        )
        .json_or_form_body::<RenewTokenFields>(false)
        .answers_json::<TokenResponse>(200, "Fresh tokens")
        .error(
            412,
            "User, client or business is not in a state that allows it, or the credential is locked",
        )
        .body_errors()
        .store_errors()
}
