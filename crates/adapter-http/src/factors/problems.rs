use actix_web::http::StatusCode;
use domain::factors::ContactRuleViolation;
use use_cases::factors::ContactError;

use crate::problem::{Code, ErrorResponse, Problem};

/// Returns the code of a violated rule and the field that violates it.
pub(super) const fn code_and_field(violation: ContactRuleViolation) -> (Code, &'static str) {
    match violation {
        ContactRuleViolation::IsCredential => (Code::IsCredential, "id"),
        ContactRuleViolation::SameTypeAsMain => (Code::SameTypeAsMain, "contactType"),
        ContactRuleViolation::NotAnEmail => (Code::NotAnEmail, "email"),
        ContactRuleViolation::NotAMobile => (Code::NotAMobile, "mobile"),
        ContactRuleViolation::UnknownTag => (Code::UnknownTag, "tags"),
        ContactRuleViolation::AlreadyRegistered => (Code::AlreadyRegistered, "id"),
        ContactRuleViolation::TooMany => (Code::TooManyContacts, super::contact_request::ITEMS),
    }
}

/// Maps an error about a contact to its response.
pub(super) fn problem(error: ContactError) -> Problem {
    match error {
        ContactError::UserNotFound => Problem::new(StatusCode::NOT_FOUND, Code::UserNotFound, "the user is not known"),
        ContactError::ContactNotFound => Problem::new(
            StatusCode::NOT_FOUND,
            Code::ContactNotFound,
            "the user has no such contact",
        ),
        ContactError::ClientHidesContacts => Problem::precondition(Code::ClientNotUsable, error.to_string()),
        ContactError::RuleViolation(violation) => {
            let (code, field) = code_and_field(violation);
            let error = ErrorResponse::new(code, violation.to_string());
            // The id is in the path here, so no member of the body is wrong.
            let error = if field == "id" { error } else { error.at(field) };
            Problem::with_errors(StatusCode::UNPROCESSABLE_ENTITY, vec![error])
        }
        ContactError::Failed(error) => error.into(),
    }
}
