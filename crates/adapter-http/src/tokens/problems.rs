use actix_web::http::StatusCode;
use use_cases::sessions::TokenError;

use crate::problem::{Code, ErrorResponse, Problem};

/// Maps an error of a use case that issues tokens to its response.
pub(super) fn problem(error: TokenError) -> Problem {
    let message = error.to_string();
    match error {
        TokenError::Contradiction => Problem::malformed(message),
        TokenError::BadCredentials => Problem::not_authenticated(message, r#"Basic realm="authme""#),
        TokenError::NotPermitted => Problem::new(StatusCode::FORBIDDEN, Code::NotPermitted, message),
        TokenError::UserNotFound => Problem::precondition(Code::UserNotFound, message),
        TokenError::TokenNotValid => Problem::new(StatusCode::UNAUTHORIZED, Code::TokenNotValid, message),
        TokenError::AssertionUsed => assertion_problem("assertionId", message),
        TokenError::AssertionExpired => assertion_problem("notOnOrAfter", message),
        TokenError::AssertionEndsTooLate => Problem::malformed_field("notOnOrAfter", message),
        TokenError::CredentialLocked => Problem::precondition(Code::CredentialLocked, message),
        TokenError::ClientNotUsable => Problem::precondition(Code::ClientNotUsable, message),
        TokenError::BusinessNotLinked => Problem::precondition(Code::BusinessNotLinked, message),
        TokenError::GroupNotKnown => Problem::precondition(Code::GroupNotKnown, message),
        TokenError::TooManySessions { wait } => Problem::too_many_requests(message, wait),
        TokenError::Failed(error) => error.into(),
    }
}

/// Returns the problem of an assertion that is not valid any more: like a validation token, it asks for a new login.
fn assertion_problem(field: &str, message: String) -> Problem {
    let error = ErrorResponse::new(Code::TokenNotValid, message).at(field);
    Problem::with_errors(StatusCode::UNAUTHORIZED, vec![error])
}
