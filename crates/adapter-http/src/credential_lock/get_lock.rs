use actix_web::http::StatusCode;
use actix_web::http::header::CACHE_CONTROL;
use actix_web::{HttpRequest, HttpResponse, web};
use domain::credential_lock::CredentialLock;
use domain::credential_lock::permissions::GetLock;
use serde::Serialize;
use use_cases::credential_lock::{CredentialLockUseCases, GetLockError};
use utoipa::ToSchema;
use utoipa::openapi::path::ParameterIn;

use crate::authorised::{Authorised, user_in_path};
use crate::cloud_event::ActorResponse;
use crate::endpoints::OperationDoc;
use crate::problem::{Code, Problem};

/// The lock of a user's credential.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct LockResponse {
    user_id: String,
    /// True while the credential is locked.
    locked: bool,
    /// The time of the last lock or unlock; absent if it was never locked.
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<String>,
    /// The number of times the credential was locked, or its user removed. Tokens issued under an earlier epoch are not active.
    epoch: u64,
    /// The actor who last locked or unlocked it; absent if it was never locked, or if no actor was recorded.
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<ActorResponse>,
    /// The reason given in that request.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

impl From<CredentialLock> for LockResponse {
    fn from(credential: CredentialLock) -> Self {
        Self {
            user_id: credential.user.to_string(),
            locked: credential.is_locked,
            since: credential.since.map(|since| format!("{since:.3}")),
            epoch: credential.epoch,
            by: credential.by.as_ref().map(ActorResponse::from),
            reason: credential.reason.map(|reason| reason.as_str().to_owned()),
        }
    }
}

pub(crate) async fn handle(
    _: Authorised<GetLock>,
    request: HttpRequest,
    credential_lock: web::Data<CredentialLockUseCases>,
) -> Result<HttpResponse, Problem> {
    let user = user_in_path(&request)?;
    let credential = credential_lock.get_lock.run(user).await.map_err(|error| match error {
        GetLockError::UserNotFound => Problem::new(StatusCode::NOT_FOUND, Code::UserNotFound, "the user is not known"),
        GetLockError::Store(error) => error.into(),
    })?;
    Ok(HttpResponse::Ok()
        .insert_header((CACHE_CONTROL, "no-store"))
        .json(LockResponse::from(credential)))
}

pub(crate) fn describe(operation: OperationDoc) -> OperationDoc {
    operation
        .operation("credential-lock", "getLock", "Get the lock of a user's credential")
        .description(
            "Returns whether the credential is locked, since when, by whom and why. A credential that was never \
             locked is unlocked, with epoch 0.",
        )
        .requires::<GetLock>()
        .parameter(ParameterIn::Path, "id", true, "The user id")
        .json_response::<LockResponse>(200, "The lock of the credential")
        .error(400, "The id is malformed")
        .error(404, "The user does not exist")
        .store_errors()
}
