use actix_web::http::StatusCode;
use use_cases::sessions::TokenError;

use crate::problem::{Code, Problem};

/// Maps an error of a use case that issues tokens to its response.
pub(super) fn problem(error: TokenError) -> Problem {
    let message = error.to_string();
    match error {
        TokenError::Contradiction => Problem::malformed(message),
        TokenError::BadCredentials => Problem::not_authenticated(message, r#"Basic realm="authme""#),
        TokenError::NotPermitted => Problem::new(StatusCode::FORBIDDEN, Code::NotPermitted, message),
        TokenError::UserNotFound => Problem::precondition(Code::UserNotFound, message),
        TokenError::TokenNotValid => Problem::new(StatusCode::UNAUTHORIZED, Code::TokenNotValid, message),
        TokenError::CredentialLocked => Problem::precondition(Code::CredentialLocked, message),
        TokenError::ClientNotUsable => Problem::precondition(Code::ClientNotUsable, message),
        TokenError::BusinessNotLinked => Problem::precondition(Code::BusinessNotLinked, message),
        TokenError::GroupNotKnown => Problem::precondition(Code::GroupNotKnown, message),
        TokenError::TooManySessions { wait } => Problem::too_many_requests(message, wait),
        TokenError::Failed(error) => error.into(),
    }
}
