use actix_web::http::header::{CACHE_CONTROL, LINK};
use actix_web::{HttpRequest, HttpResponse, web};
use domain::ids::{FamilyId, UserId};
use domain::sessions::RefreshFamily;
use domain::tokens::permissions::{ListOwnSessions, ListSessions};
use serde::{Deserialize, Serialize};
use use_cases::tokens::TokensUseCases;
use utoipa::ToSchema;
use utoipa::openapi::path::ParameterIn;

use super::session_problems::problem;
use crate::authorised::{Authorised, user_in_path};
use crate::body;
use crate::endpoints::OperationDoc;
use crate::problem::Problem;

/// The number of sessions in a page when the caller sends no `limit`.
const DEFAULT_LIMIT: usize = 50;

/// The largest `limit`. A page of 200 sessions is below 64 KiB.
const MAX_LIMIT: usize = 200;

/// A session.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Session)]
struct SessionResponse {
    /// The id of the session, as the claim `sid` has it.
    #[schema(example = "5efd263cbe2d398bb00b97ea")]
    sid: String,
    /// The client that the session belongs to.
    #[schema(example = "com.example.portal")]
    client_id: String,
    /// The time of its start; absent for sessions that were started before it was recorded.
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<String>,
    /// The time of the last renewal, or of the start.
    last_renewed: String,
    /// The time at which the session ends unless it is renewed before.
    expires: String,
}

impl From<RefreshFamily> for SessionResponse {
    fn from(family: RefreshFamily) -> Self {
        Self {
            since: family.started_at.map(|at| format!("{at:.3}")),
            last_renewed: format!("{:.3}", family.rotated_at),
            expires: format!("{:.3}", family.ends_at()),
            sid: family.id.to_string(),
            client_id: family.origin.client.to_string(),
        }
    }
}

#[derive(Deserialize)]
struct ListQuery {
    after: Option<String>,
    limit: Option<String>,
}

impl ListQuery {
    fn after(&self) -> Result<Option<FamilyId>, Problem> {
        let after = self.after.as_ref().filter(|after| !after.is_empty());
        let parsed = after.map(|after| FamilyId::parse(after.clone())).transpose();
        parsed.map_err(|error| Problem::malformed_field("after", error.to_string()))
    }

    fn limit(&self) -> Result<usize, Problem> {
        let Some(limit) = self.limit.as_ref().filter(|limit| !limit.is_empty()) else {
            return Ok(DEFAULT_LIMIT);
        };
        let limit = limit.parse().ok().filter(|limit| (1..=MAX_LIMIT).contains(limit));
        limit.ok_or_else(|| {
            Problem::malformed_field("limit", format!("limit must be a whole number from 1 to {MAX_LIMIT}"))
        })
    }
}

async fn list(user: &UserId, request: &HttpRequest, tokens: &TokensUseCases) -> Result<HttpResponse, Problem> {
    let query: ListQuery = body::query(request)?;
    let (after, limit) = (query.after()?, query.limit()?);
    let page = tokens.list_sessions.run(user, after.as_ref(), limit);
    let page = page.await.map_err(problem)?;
    let mut response = HttpResponse::Ok();
    response.insert_header((CACHE_CONTROL, "no-store"));
    if let Some(next) = page.next {
        let path = request.path();
        response.insert_header((LINK, format!("<{path}?limit={limit}&after={next}>; rel=\"next\"")));
    }
    let sessions: Vec<SessionResponse> = page.sessions.into_iter().map(SessionResponse::from).collect();
    Ok(response.json(sessions))
}

pub(crate) async fn handle(
    _: Authorised<ListSessions>,
    request: HttpRequest,
    tokens: web::Data<TokensUseCases>,
) -> Result<HttpResponse, Problem> {
    list(&user_in_path(&request)?, &request, &tokens).await
}

pub(crate) async fn handle_own(
    authorised: Authorised<ListOwnSessions>,
    request: HttpRequest,
    tokens: web::Data<TokensUseCases>,
) -> Result<HttpResponse, Problem> {
    list(authorised.user()?, &request, &tokens).await
}

fn describe_shared(operation: OperationDoc) -> OperationDoc {
    operation
        .description(
            "Returns the sessions that can be renewed, in the order of their ids. If there may be more, the header \
             `Link` has the address of the next page.",
        )
        .parameter(
            ParameterIn::Query,
            "limit",
            false,
            "The maximum number of sessions, 1 to 200; 50 if absent",
        )
        .parameter(
            ParameterIn::Query,
            "after",
            false,
            "Returns only sessions whose id is greater",
        )
        .array_response::<SessionResponse>(200, "The sessions")
        .error(400, "A parameter is malformed")
        .error(404, "The user does not exist")
        .store_errors()
}

pub(crate) fn describe(operation: OperationDoc) -> OperationDoc {
    let operation = operation.operation("tokens", "listSessions", "List the sessions of a user");
    let operation = operation.parameter(ParameterIn::Path, "id", true, "The user id");
    describe_shared(operation.requires::<ListSessions>())
}

pub(crate) fn describe_own(operation: OperationDoc) -> OperationDoc {
    let operation = operation.operation("tokens", "listOwnSessions", "List the sessions of the calling user");
    describe_shared(operation.requires::<ListOwnSessions>())
}
