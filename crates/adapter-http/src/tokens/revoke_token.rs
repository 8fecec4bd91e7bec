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
        RevokeTokenError::Failed(error) => error.into(),
    }
}

pub(crate) async fn handle(
    authorised: Authorised<RevokeToken>,
    body: Body,
    tokens: web::Data<TokensUseCases>,
    authenticator: web::Data<Authenticator>,
) -> Result<HttpResponse, Problem> {
    let token = token_request::read(&body, &authenticator).await?;
    tokens
        .revoke_token
        .run(&authorised.call, &token)
        .await
        .map_err(problem)?;
    Ok(HttpResponse::Ok().finish())
}

pub(crate) fn describe(operation: OperationDoc) -> OperationDoc {
    operation
        .operation("tokens", "revokeToken", "Revoke a token")
        .description(
            "Revokes the session that the token belongs to, and every session that `changeApp` created from it (RFC \
             7009). The token may be any refresh token of the session, or an access token that has not expired. \
             An expired access token revokes nothing, so send the refresh token at logout.",
        )
        .without_audit_of_success()
        .requires::<RevokeToken>()
        .json_or_form_body::<TokenRequest>(true)
        .empty_response(
            200,
            "The session is revoked. Nothing is changed if the token is unknown, expired, or belongs to another \
             client or user",
        )
        .body_errors()
        .store_errors()
}
