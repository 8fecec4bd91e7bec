use actix_web::{HttpResponse, web};
use domain::caller::Cause;
use domain::credential_lock::permissions::LockCredential;
use use_cases::credential_lock::CredentialLockUseCases;

use super::lock_request;
use crate::authorised::Authorised;
use crate::body::Body;
use crate::endpoints::OperationDoc;
use crate::problem::Problem;

pub(crate) async fn handle(
    authorised: Authorised<LockCredential>,
    body: Body,
    credential_lock: web::Data<CredentialLockUseCases>,
) -> Result<HttpResponse, Problem> {
    let (user, reason) = lock_request::read(&body)?;
    authorised.record_object("user", user.as_str());
    credential_lock
        .lock_credential
        .run(Cause::Call(&authorised.call), user, reason)
        .await
        .map_err(lock_request::problem)?;
    Ok(HttpResponse::NoContent().finish())
}

pub(crate) fn describe(operation: OperationDoc) -> OperationDoc {
    lock_request::describe::<LockCredential>(
        operation,
        "lockCredential",
        (
            "Lock a user's credential",
            "Revokes all tokens and sessions of the user. No new ones are issued until the credential is unlocked. \
             The lock applies to every request that begins after the response. Locking a locked credential has \
             no effect and also returns 204.",
        ),
        "The credential is locked",
    )
}
