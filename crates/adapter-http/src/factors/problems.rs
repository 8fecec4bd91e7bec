use actix_web::http::StatusCode;
use domain::factors::ContactRuleViolation;
use use_cases::factors::ContactError;

use crate::problem::{Code, ErrorResponse, Problem};

/// What a broken rule is called, and the field it is about.
pub(super) const fn code_and_field(refusal: ContactRuleViolation) -> (Code, &'static str) {
    match refusal {
        ContactRuleViolation::IsCredential => (Code::IsCredential, "id"),
        ContactRuleViolation::SameTypeAsMain => (Code::SameTypeAsMain, "contactType"),
        ContactRuleViolation::NotAnEmail => (Code::NotAnEmail, "email"),
        ContactRuleViolation::NotAMobile => (Code::NotAMobile, "mobile"),
        ContactRuleViolation::UnknownTag => (Code::UnknownTag, "tags"),
        ContactRuleViolation::AlreadyRegistered => (Code::AlreadyRegistered, "id"),
        ContactRuleViolation::TooMany => (Code::TooManyContacts, super::add_contacts::ITEMS),
    }
}

/// The answer when nothing became of a contact.
pub(super) fn problem(error: ContactError) -> Problem {
    match error {
        ContactError::UserNotFound => Problem::new(StatusCode::NOT_FOUND, Code::UserNotFound, "the user is not known"),
        ContactError::ContactNotFound => Problem::new(
            StatusCode::NOT_FOUND,
            Code::ContactNotFound,
            "the user has no such contact",
        ),
        ContactError::ClientHidesContacts => Problem::precondition(Code::ClientNotUsable, error.to_string()),
        ContactError::Broken(refusal) => {
            let (code, field) = code_and_field(refusal);
            let error = ErrorResponse::new(code, refusal.to_string());
            // An id in the path is no field of the body.
            let error = if field == "id" { error } else { error.at(field) };
            Problem::many(StatusCode::UNPROCESSABLE_ENTITY, vec![error])
        }
        ContactError::Failed(failure) => failure.into(),
    }
}
