//! The request body, errors and description that locking and unlocking share.

use actix_web::http::StatusCode;
use domain::credential_lock::LockReason;
use domain::ids::UserId;
use domain::permission::Permission;
use serde::Deserialize;
use use_cases::credential_lock::LockError;
use utoipa::ToSchema;

use crate::body::Body;
use crate::endpoints::OperationDoc;
use crate::problem::{Code, Problem};

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = LockRequest)]
struct LockRequest {
    /// The user whose credential is locked or unlocked.
    #[schema(required, example = "5efd263cbe2d398bb00b97ea")]
    user_id: Option<String>,
    /// The reason, for the audit trail and the event: at most 200 characters, none of them a control character.
    #[schema(max_length = 200)]
    reason: Option<String>,
}

pub(super) fn read(body: &Body) -> Result<(UserId, Option<LockReason>), Problem> {
    let request: LockRequest = body.json()?;
    let user = request.user_id.ok_or_else(|| Problem::missing("userId"))?;
    let user = UserId::parse(user).map_err(|error| Problem::malformed_field("userId", error.to_string()))?;
    let reason = request.reason.map(LockReason::parse).transpose();
    Ok((
        user,
        reason.map_err(|error| Problem::malformed_field("reason", error.to_string()))?,
    ))
}

pub(super) fn problem(error: LockError) -> Problem {
    match error {
        LockError::OwnCredential => Problem::new(StatusCode::FORBIDDEN, Code::NotPermitted, error.to_string()),
        LockError::UserNotFound => Problem::new(StatusCode::BAD_REQUEST, Code::UserNotFound, "the user is not known"),
        LockError::Failed(error) => error.into(),
    }
}

pub(super) fn describe<P: Permission>(
    operation: OperationDoc,
    id: &str,
    (summary, description): (&str, &str),
    success: &str,
) -> OperationDoc {
    operation
        .operation("credential-lock", id, summary)
        .description(description)
        .requires::<P>()
        .json_body::<LockRequest>(true)
        .empty_response(204, success)
        .body_errors()
        .error(
            400,
            "The request is malformed or lacks a required field, or the user does not exist (code 04)",
        )
        .store_errors()
}
