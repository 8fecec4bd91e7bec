use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use domain::factors::permissions::ProveOwnContact;
use serde::Deserialize;
use use_cases::factors::{CodeSubmission, FactorsUseCases, ValidateCodeError};
use utoipa::ToSchema;
use utoipa::openapi::path::ParameterIn;

use super::problems::problem;
use crate::authorised::{Authorised, contact_in_path};
use crate::body::Body;
use crate::endpoints::OperationDoc;
use crate::problem::{Code, Problem};

/// A code that was sent to a contact, and the id of its challenge.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct ValidateCodeRequest {
    /// The `challengeId` in the response of `sendCode`.
    #[schema(required, example = "5f1c9a7be04d4d0c8a3f2f60b1a9c7de")]
    challenge_id: Option<String>,
    /// The code: six digits.
    #[schema(required, example = "042137")]
    token: Option<String>,
}

pub(crate) async fn handle(
    authorised: Authorised<ProveOwnContact>,
    request: HttpRequest,
    body: Body,
    factors: web::Data<FactorsUseCases>,
) -> Result<HttpResponse, Problem> {
    let contact = contact_in_path(&request)?;
    let submission: ValidateCodeRequest = body.json()?;
    let challenge = submission.challenge_id.ok_or_else(|| Problem::missing("challengeId"))?;
    let code = submission.token.ok_or_else(|| Problem::missing("token"))?;
    let submission = CodeSubmission {
        contact: &contact,
        challenge: &challenge,
        code: &code,
    };
    let result = factors
        .validate_code
        .run(&authorised.call, authorised.user()?, submission)
        .await;
    result.map_err(|error| match error {
        ValidateCodeError::Contact(error) => problem(error),
        ValidateCodeError::Wrong => unprocessable(Code::OneTimeCodeNotValid, "the code is wrong, expired or used"),
        ValidateCodeError::UsedUp => unprocessable(
            Code::AttemptsUsedUp,
            "the attempts at this code, or at codes of this contact or user, are used up",
        ),
    })?;
    Ok(HttpResponse::NoContent().finish())
}

fn unprocessable(code: Code, message: &str) -> Problem {
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, code, message)
}

pub(crate) fn describe(operation: OperationDoc) -> OperationDoc {
    operation
        .operation("factors", "validateCode", "Validate a one-time code")
        .description(
            "Compares the code and, if it is right, marks the contact as verified. Each request counts as an \
             attempt: by default a code has 5, a contact 20 a day, a user 50 a day. A code is accepted once.",
        )
        .requires::<ProveOwnContact>()
        .parameter(ParameterIn::Path, "factorId", true, "The contact id")
        .json_body::<ValidateCodeRequest>(true)
        .empty_response(204, "The code is right, and the contact is verified")
        .error(
            404,
            "The user or the contact does not exist, or the contact is hidden from this client",
        )
        .error(422, "The code is wrong, expired or used, or the attempts are used up")
        .body_errors()
        .store_errors()
}
