use actix_web::{HttpRequest, HttpResponse, web};
use domain::caller::{Call, Cause};
use domain::ids::{FamilyId, UserId};
use domain::tokens::permissions::{EndOwnSessions, EndSessions};
use serde::Deserialize;
use use_cases::tokens::TokensUseCases;
use utoipa::openapi::path::ParameterIn;

use super::session_problems::problem;
use crate::authorised::{Authorised, user_in_path};
use crate::body;
use crate::endpoints::OperationDoc;
use crate::problem::Problem;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct EndOwnSessionsQuery {
    keep_current: Option<String>,
}

/// Returns the session of the caller's token, with the version of the token, if the query asks to keep it.
fn kept_session(call: &Call, request: &HttpRequest) -> Result<Option<(FamilyId, u64)>, Problem> {
    let query: EndOwnSessionsQuery = body::query(request)?;
    let malformed = |message: &str| Err(Problem::malformed_field("keepCurrent", message));
    match query.keep_current.as_deref() {
        None | Some("" | "false") => Ok(None),
        Some("true") => {
            let user = call.user.as_ref();
            let session = user.and_then(|user| Some((user.session.clone()?, user.sessions_version)));
            session.map_or_else(
                || malformed("the access token belongs to no session"),
                |session| Ok(Some(session)),
            )
        }
        Some(_) => malformed("keepCurrent must be true or false"),
    }
}

async fn end(
    call: &Call,
    user: &UserId,
    kept_session: Option<(FamilyId, u64)>,
    tokens: &TokensUseCases,
) -> Result<HttpResponse, Problem> {
    let ended = tokens.end_sessions.run(Cause::Call(call), user, kept_session);
    ended.await.map_err(problem)?;
    Ok(HttpResponse::NoContent().finish())
}

pub(crate) async fn handle(
    authorised: Authorised<EndSessions>,
    request: HttpRequest,
    tokens: web::Data<TokensUseCases>,
) -> Result<HttpResponse, Problem> {
    end(&authorised.call, &user_in_path(&request)?, None, &tokens).await
}

pub(crate) async fn handle_own(
    authorised: Authorised<EndOwnSessions>,
    request: HttpRequest,
    tokens: web::Data<TokensUseCases>,
) -> Result<HttpResponse, Problem> {
    let kept_session = kept_session(&authorised.call, &request)?;
    end(&authorised.call, authorised.user()?, kept_session, &tokens).await
}

fn describe_shared(operation: OperationDoc) -> OperationDoc {
    operation
        .description(
            "Ends every session of the user, and every token that was issued before, including the one of this \
             request if it is the user's and its session is not kept. Publishes one event, `sessions.ended`, and \
             none per session.",
        )
        .empty_response(204, "All sessions that were started before this request have ended")
        .error(404, "The user does not exist")
        .store_errors()
}

pub(crate) fn describe(operation: OperationDoc) -> OperationDoc {
    let operation = operation.operation("tokens", "endSessions", "End all sessions of a user");
    let operation = operation.parameter(ParameterIn::Path, "id", true, "The user id");
    describe_shared(operation.requires::<EndSessions>()).error(400, "The id is malformed")
}

pub(crate) fn describe_own(operation: OperationDoc) -> OperationDoc {
    let operation = operation.operation("tokens", "endOwnSessions", "End all sessions of the calling user");
    let operation = operation.parameter(
        ParameterIn::Query,
        "keepCurrent",
        false,
        "`true` keeps the session of the access token; `false` if absent",
    );
    describe_shared(operation.requires::<EndOwnSessions>()).error(400, "`keepCurrent` is malformed")
}
