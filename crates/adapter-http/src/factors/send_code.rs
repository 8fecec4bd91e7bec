use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, RETRY_AFTER};
use actix_web::{HttpRequest, HttpResponse, web};
use domain::contact::ContactType;
use domain::factors::permissions::ProveOwnContact;
use serde::Serialize;
use use_cases::factors::{FactorsUseCases, SendCodeError, SentCode};
use utoipa::ToSchema;
use utoipa::openapi::path::ParameterIn;

use super::masked_contact::MaskedContact;
use super::problems::problem;
use crate::authorised::{Authorised, contact_in_path};
use crate::endpoints::OperationDoc;
use crate::problem::{Code, ErrorResponse, Problem};

/// A one-time code that was sent.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Challenge)]
struct ChallengeResponse {
    /// Send it back together with the code.
    #[schema(example = "5f1c9a7be04d4d0c8a3f2f60b1a9c7de")]
    challenge_id: String,
    /// The time at which the code expires, in Unix seconds, as a decimal string.
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
                Problem::too_many_requests("too many codes were sent to this contact or for this user", wait)
            }
            SendCodeError::UsedUp => Problem::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                Code::AttemptsUsedUp,
                "the attempts at codes of this contact or user are used up",
            ),
            SendCodeError::RegionNotAllowed => {
                let error = ErrorResponse::new(Code::NotAMobile, error.to_string());
                Problem::with_errors(StatusCode::UNPROCESSABLE_ENTITY, vec![error.at("mobile")])
            }
            SendCodeError::RecipientRefused(contact_type) => {
                let error = match contact_type {
                    ContactType::Email => {
                        ErrorResponse::new(Code::NotAnEmail, "the mail server refuses this address").at("email")
                    }
                    ContactType::Mobile => {
                        ErrorResponse::new(Code::NotAMobile, "the SMS gateway refuses this number").at("mobile")
                    }
                };
                Problem::with_errors(StatusCode::UNPROCESSABLE_ENTITY, vec![error])
            }
            SendCodeError::ProcessLimit { until, now } => {
                let wait = until.duration_since(now).unsigned_abs();
                Problem::unavailable(error).with_header(RETRY_AFTER, wait.as_secs().max(1).to_string())
            }
            SendCodeError::NotDelivered(error) => Problem::unavailable(error),
        })?;
    Ok(HttpResponse::Created()
        .insert_header((CACHE_CONTROL, "no-store"))
        .json(ChallengeResponse::from(sent)))
}

pub(crate) fn describe(operation: OperationDoc) -> OperationDoc {
    operation
        .operation(
            "factors",
            "sendCode",
            "Send a one-time code to a contact of the calling user",
        )
        .description(
            "Sends a code of six digits that is valid for 10 minutes by default. A code that was sent to the \
             same contact \
             before is no longer accepted.",
        )
        .requires::<ProveOwnContact>()
        .parameter(ParameterIn::Path, "factorId", true, "The contact id")
        .json_response::<ChallengeResponse>(201, "The code was sent")
        .error(400, "The id is malformed")
        .error(
            404,
            "The user or the contact does not exist, or the contact is hidden from this client",
        )
        .error(
            422,
            "The attempts at codes of this contact or user are used up: wait up to a day. Or no code can be sent to this \
             contact: the mail server or the SMS gateway refuses it, or codes are not sent to mobile numbers of its region",
        )
        .error(
            429,
            "Too many codes were sent to this contact or for this user; repeat after `Retry-After` seconds",
        )
        .store_errors()
}
