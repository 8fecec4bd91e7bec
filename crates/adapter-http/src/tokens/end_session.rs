use actix_web::{HttpRequest, HttpResponse, web};
use domain::caller::{Call, Cause};
use domain::ids::UserId;
use domain::tokens::permissions::{EndOwnSessions, EndSessions};
use use_cases::tokens::TokensUseCases;
use utoipa::openapi::path::ParameterIn;

use super::session_problems::problem;
use crate::authorised::{Authorised, session_in_path, user_in_path};
use crate::endpoints::OperationDoc;
use crate::problem::Problem;

async fn end(
    call: &Call,
    user: &UserId,
    request: &HttpRequest,
    tokens: &TokensUseCases,
) -> Result<HttpResponse, Problem> {
    let session = session_in_path(request)?;
    let ended = tokens.end_session.run(Cause::Call(call), user, &session);
    ended.await.map_err(problem)?;
    Ok(HttpResponse::NoContent().finish())
}

pub(crate) async fn handle(
    authorised: Authorised<EndSessions>,
    request: HttpRequest,
    tokens: web::Data<TokensUseCases>,
) -> Result<HttpResponse, Problem> {
    end(&authorised.call, &user_in_path(&request)?, &request, &tokens).await
}

pub(crate) async fn handle_own(
    authorised: Authorised<EndOwnSessions>,
    request: HttpRequest,
    tokens: web::Data<TokensUseCases>,
) -> Result<HttpResponse, Problem> {
    end(&authorised.call, authorised.user()?, &request, &tokens).await
}

fn describe_shared(operation: OperationDoc) -> OperationDoc {
    operation
        .description("Ends one session, and every session that `changeApp` created from it, as at a logout.")
        .without_audit_of_success()
        .parameter(ParameterIn::Path, "sid", true, "The session id")
        .empty_response(204, "The session has ended, by this request or earlier")
        .error(400, "An id is malformed")
        .error(404, "The user has no such session")
        .store_errors()
}

pub(crate) fn describe(operation: OperationDoc) -> OperationDoc {
    let operation = operation.operation("tokens", "endSession", "End a session of a user");
    let operation = operation.parameter(ParameterIn::Path, "id", true, "The user id");
    describe_shared(operation.requires::<EndSessions>())
}

pub(crate) fn describe_own(operation: OperationDoc) -> OperationDoc {
    let operation = operation.operation("tokens", "endOwnSession", "End a session of the calling user");
    describe_shared(operation.requires::<EndOwnSessions>())
}
