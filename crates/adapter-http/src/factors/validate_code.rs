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

/// The answer to a challenge.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct ValidateCodeRequest {
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
    let answer: ValidateCodeRequest = body.json()?;
    let challenge = answer.challenge_id.ok_or_else(|| Problem::missing("challengeId"))?;
    let code = answer.token.ok_or_else(|| Problem::missing("token"))?;
    let given = CodeSubmission {
        contact: &contact,
        challenge: &challenge,
        code: &code,
    };
    let validated = factors
        .validate_code
        .run(&authorised.call, authorised.user()?, given)
        .await;
    validated.map_err(|error| match error {
        ValidateCodeError::Contact(error) => problem(error),
        ValidateCodeError::Wrong => refused(Code::NotRight, "the code is wrong, expired or used"),
        ValidateCodeError::UsedUp => refused(Code::AttemptsUsedUp, "the attempts are used up"),
    })?;
    Ok(HttpResponse::NoContent().finish())
}

fn refused(code: Code, message: &str) -> Problem {
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, code, message)
}

pub(crate) fn describe(operation: OperationDoc) -> OperationDoc {
    operation
        .operation(
            "factors",
            "validateCode",
            "Validate the code that was sent to one's own contact",
        )
        .requires::<ProveOwnContact>()
        .parameter(ParameterIn::Path, "factorId", true, "The contact")
        .json_body::<ValidateCodeRequest>(true)
        .answers_empty(204, "The code was right; the contact is verified")
        .error(404, "The user is not known, or has no such contact")
        .error(422, "The code is wrong, expired or used, or the attempts are used up")
        .body_errors()
        .store_errors()
}
