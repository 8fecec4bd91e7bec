//! What locking and unlocking share on the wire.

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
    #[schema(required, example = "5efd263cbe2d398bb00b97ea")]
    user_id: Option<String>,
    /// At most 200 characters.
    #[schema(max_length = 200)]
    reason: Option<String>,
}

pub(super) fn read(body: &Body) -> Result<(UserId, Option<LockReason>), Problem> {
    let request: LockRequest = body.json()?;
    let user = request.user_id.ok_or_else(|| Problem::missing("userId"))?;
    let user = UserId::parse(user).map_err(|malformed| Problem::malformed_field("userId", malformed.to_string()))?;
    let reason = request.reason.map(LockReason::parse).transpose();
    Ok((
        user,
        reason.map_err(|malformed| Problem::malformed_field("reason", malformed.to_string()))?,
    ))
}

pub(super) fn problem(error: LockError) -> Problem {
    match error {
        LockError::OwnCredential => Problem::new(StatusCode::FORBIDDEN, Code::NotPermitted, error.to_string()),
        LockError::UserNotFound => Problem::new(StatusCode::BAD_REQUEST, Code::UserNotFound, "the user is not known"),
        LockError::Failed(failure) => failure.into(),
    }
}

pub(super) fn described<P: Permission>(operation: OperationDoc, id: &str, summary: &str, done: &str) -> OperationDoc {
    operation
        .operation("credential-lock", id, summary)
        .requires::<P>()
        .json_body::<LockRequest>(true)
        .answers_empty(204, done)
        .body_errors()
        .store_errors()
}
