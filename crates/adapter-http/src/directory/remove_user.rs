use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use domain::caller::Call;
use domain::directory::permissions::{RemoveOwnUser, RemoveUser};
use domain::ids::UserId;
use use_cases::directory::{DirectoryUseCases, RemoveUserError};
use utoipa::openapi::path::ParameterIn;

use crate::authorised::{Authorised, user_in_path};
use crate::body::Body;
use crate::endpoints::OperationDoc;
use crate::problem::{Code, Problem};

const DESCRIPTION: &str = "Erases the user: from the response on, no request knows the user, and no token or session of the user is active. \
     Logins, contacts, codes and sessions are deleted within seconds; the log of events keeps what it has. The id stays \
     reserved until all is deleted. A user who gets it later inherits nothing. Users with an administrator role are \
     removed by callers with `ADMIN` and `AUTH-MFA` only.";

impl From<RemoveUserError> for Problem {
    fn from(error: RemoveUserError) -> Self {
        match error {
            RemoveUserError::UserNotFound => {
                Self::new(StatusCode::NOT_FOUND, Code::UserNotFound, "the user is not known")
            }
            RemoveUserError::NotPermitted(error) => {
                Self::new(StatusCode::FORBIDDEN, Code::NotPermitted, error.to_string())
            }
            RemoveUserError::Failed(error) => error.into(),
        }
    }
}

async fn remove(
    call: &Call,
    user: &UserId,
    body: &Body,
    directory: &DirectoryUseCases,
) -> Result<HttpResponse, Problem> {
    if !body.is_empty() {
        return Err(Problem::malformed("the removal of a user takes no body"));
    }
    directory.remove_user.run(call, user).await?;
    Ok(HttpResponse::NoContent().finish())
}

pub(crate) async fn handle(
    authorised: Authorised<RemoveUser>,
    request: HttpRequest,
    body: Body,
    directory: web::Data<DirectoryUseCases>,
) -> Result<HttpResponse, Problem> {
    remove(&authorised.call, &user_in_path(&request)?, &body, &directory).await
}

pub(crate) async fn handle_own(
    authorised: Authorised<RemoveOwnUser>,
    body: Body,
    directory: web::Data<DirectoryUseCases>,
) -> Result<HttpResponse, Problem> {
    remove(&authorised.call, authorised.user()?, &body, &directory).await
}

fn describe_shared(operation: OperationDoc) -> OperationDoc {
    operation
        .description(DESCRIPTION)
        .empty_response(204, "The user is removed")
        .body_errors()
        .error(400, "The id is malformed, or the request has a body")
        .error(
            403,
            "The caller lacks a role, or the user holds an administrator role and the caller may not remove such users",
        )
        .error(404, "The user does not exist, or was removed before")
        .store_errors()
}

pub(crate) fn describe(operation: OperationDoc) -> OperationDoc {
    let operation = operation
        .operation("directory", "removeUser", "Remove a user")
        .requires::<RemoveUser>()
        .parameter(ParameterIn::Path, "id", true, "The user id");
    describe_shared(operation)
}

pub(crate) fn describe_own(operation: OperationDoc) -> OperationDoc {
    let operation = operation.operation("directory", "removeOwnUser", "Remove the calling user");
    describe_shared(operation.requires::<RemoveOwnUser>())
}
