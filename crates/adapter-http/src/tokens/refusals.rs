use actix_web::http::StatusCode;
use use_cases::tokens::Refused;

use crate::problem::{Code, Problem};

/// What a refusal to mint is on the wire.
pub(super) fn problem(refused: Refused) -> Problem {
    let message = refused.to_string();
    match refused {
        Refused::Contradiction => Problem::malformed(message),
        Refused::BadCredentials => Problem::not_authenticated(message, r#"Basic realm="authme""#),
        Refused::NotPermitted => Problem::new(StatusCode::FORBIDDEN, Code::NotPermitted, message),
        Refused::UserNotFound => Problem::precondition(Code::UserNotFound, message),
        Refused::TokenNotValid => Problem::new(StatusCode::UNAUTHORIZED, Code::TokenNotValid, message),
        Refused::CredentialLocked => Problem::precondition(Code::CredentialLocked, message),
        Refused::ClientNotUsable => Problem::precondition(Code::ClientNotUsable, message),
        Refused::BusinessNotLinked => Problem::precondition(Code::BusinessNotLinked, message),
        Refused::GroupNotKnown => Problem::precondition(Code::GroupNotKnown, message),
        Refused::TooManySessions { wait } => Problem::too_many_requests(message, wait),
        Refused::Failed(failure) => failure.into(),
    }
}
