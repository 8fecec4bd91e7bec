use actix_web::{HttpResponse, web};
use domain::tokens::permissions::RevokeToken;
use use_cases::tokens::{RevokeTokenError, TokensUseCases};

use super::token_request::{self, TokenRequest};
use crate::Authenticator;
use crate::authorised::Authorised;
use crate::body::Body;
use crate::endpoints::OperationDoc;
use crate::problem::Problem;

fn problem(error: RevokeTokenError) -> Problem {
    let message = error.to_string();
    match error {
        RevokeTokenError::NotRevocable => Problem::malformed_field("token", message),
        RevokeTokenError::Failed(failure) => failure.into(),
    }
}

pub(crate) async fn handle(
    authorised: Authorised<RevokeToken>,
    body: Body,
    tokens: web::Data<TokensUseCases>,
    gatekeeper: web::Data<Authenticator>,
) -> Result<HttpResponse, Problem> {
    let token = token_request::read(&body, &gatekeeper).await?;
    tokens
        .revoke_token
        .run(&authorised.call, &token)
        .await
        .map_err(problem)?;
    Ok(HttpResponse::Ok().finish())
}

pub(crate) fn describe(operation: OperationDoc) -> OperationDoc {
    operation
        .operation("tokens", "revokeToken", "End the session of one of the caller's tokens")
        .without_audit_of_success()
        .requires::<RevokeToken>()
        .json_or_form_body::<TokenRequest>(true)
        .answers_empty(
            200,
            "The session has ended, now or before, or the token is none of this client's and user's. An access token past its expiry names no session any more: a refresh token always does",
        )
        .body_errors()
        .store_errors()
}
