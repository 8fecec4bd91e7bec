use actix_web::http::StatusCode;
use use_cases::tokens::SessionError;

use crate::problem::{Code, Problem};

/// Maps an error about the sessions of a user to its response.
pub(super) fn problem(error: SessionError) -> Problem {
    let message = error.to_string();
    match error {
        SessionError::UserNotFound => Problem::new(StatusCode::NOT_FOUND, Code::UserNotFound, message),
        SessionError::SessionNotFound => Problem::new(StatusCode::NOT_FOUND, Code::NotFound, message),
        SessionError::Failed(error) => error.into(),
    }
}
