use actix_web::http::StatusCode;
use actix_web::http::header::CACHE_CONTROL;
use actix_web::{HttpRequest, HttpResponse, web};
use domain::factors::permissions::ProveOwnContact;
use serde::Serialize;
use use_cases::factors::{FactorsUseCases, SendCodeError, SentCode};
use utoipa::ToSchema;
use utoipa::openapi::path::ParameterIn;

use super::masked_contact::MaskedContact;
use super::problems::problem;
use crate::authorised::{Authorised, contact_in_path};
use crate::endpoints::OperationDoc;
use crate::problem::{Code, Problem};

/// A code on its way.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Challenge)]
struct ChallengeResponse {
    /// To be given back with the code.
    #[schema(example = "5f1c9a7be04d4d0c8a3f2f60b1a9c7de")]
    challenge_id: String,
    /// When the code ends, absolute, in epoch seconds, as a decimal string.
    #[schema(example = "1612483680")]
    expires_in: String,
    #[serde(flatten)]
    to: MaskedContact,
}

impl From<SentCode> for ChallengeResponse {
    fn from(sent: SentCode) -> Self {
        Self {
            challenge_id: sent.challenge.as_str().to_owned(),
            expires_in: sent.expires_at.as_second().to_string(),
            to: MaskedContact::from(&sent.to),
        }
    }
}

pub(crate) async fn handle(
    authorised: Authorised<ProveOwnContact>,
    request: HttpRequest,
    factors: web::Data<FactorsUseCases>,
) -> Result<HttpResponse, Problem> {
    let contact = contact_in_path(&request)?;
    let sent = factors
        .send_code
        .run(&authorised.call, authorised.user()?, &contact)
        .await
        .map_err(|error| match error {
            SendCodeError::Contact(error) => problem(error),
            SendCodeError::TooMany { until, now } => {
                let wait = until.duration_since(now).unsigned_abs();
                Problem::too_many_requests("too many codes were sent", wait)
            }
            SendCodeError::UsedUp => Problem::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                Code::AttemptsUsedUp,
                "the attempts are used up",
            ),
            SendCodeError::NotDelivered(failure) => Problem::unavailable(failure),
        })?;
    Ok(HttpResponse::Created()
        .insert_header((CACHE_CONTROL, "no-store"))
        .json(ChallengeResponse::from(sent)))
}

pub(crate) fn describe(operation: OperationDoc) -> OperationDoc {
    operation
        .operation("factors", "sendCode", "Send a one-time code to one's own contact")
        .requires::<ProveOwnContact>()
        .parameter(ParameterIn::Path, "factorId", true, "The contact")
        .answers_json::<ChallengeResponse>(201, "The code is on its way; one sent before is dead")
        .error(400, "The id cannot be read")
        .error(404, "The user is not known, or has no such contact")
        .error(422, "The attempts at its codes, or at those of this user, are used up")
        .error(429, "Too many codes were sent to it, or by this user")
        .store_errors()
}
