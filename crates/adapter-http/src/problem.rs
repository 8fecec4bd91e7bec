//! The documented error array: every 4xx and 5xx body, and the one table of codes.

use std::error::Error;
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderName};
use actix_web::{HttpResponse, ResponseError};
use ports::StoreError;
use serde::Serialize;
use use_cases::UseCaseError;
use utoipa::ToSchema;

/// How long a caller waits before asking again, in seconds.
const RETRY_AFTER: &str = "1";

/// The codes of the contract (01-api 1.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Code {
    Malformed,
    NotAuthenticated,
    NotPermitted,
    UserNotFound,
    ContactNotFound,
    SameTypeAsMain,
    AlreadyRegistered,
    NotAnEmail,
    NotAMobile,
    UnknownTag,
    TooManyContacts,
    IsCredential,
    TokenNotValid,
    CredentialLocked,
    ClientNotUsable,
    BusinessNotLinked,
    GroupNotKnown,
    NotRight,
    AttemptsUsedUp,
    TooManyRequests,
    Unavailable,
    Unexpected,
}

impl Code {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Malformed => "01",
            Self::NotAuthenticated => "02",
            Self::NotPermitted => "03",
            Self::UserNotFound => "04",
            Self::ContactNotFound => "05",
            Self::SameTypeAsMain => "06",
            Self::AlreadyRegistered => "07",
            Self::NotAnEmail => "08",
            Self::NotAMobile => "09",
            Self::UnknownTag => "10",
            Self::TooManyContacts => "11",
            Self::IsCredential => "12",
            Self::TokenNotValid => "20",
            Self::CredentialLocked => "21",
            Self::ClientNotUsable => "22",
            Self::BusinessNotLinked => "23",
            Self::GroupNotKnown => "24",
            Self::NotRight => "30",
            Self::AttemptsUsedUp => "31",
            Self::TooManyRequests => "32",
            Self::Unavailable => "90",
            Self::Unexpected => "99",
        }
    }
}

/// One entry of the error array.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = Error)]
pub(crate) struct ErrorResponse {
    #[schema(example = "08")]
    code: &'static str,
    #[schema(example = "email is not a valid address")]
    message: String,
    /// The field the error is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "authenticationFactors[0].email")]
    field: Option<String>,
    /// The item the error is about, where a request has several.
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    /// The status the item would have had alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
}

impl ErrorResponse {
    pub(crate) fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code: code.as_str(),
            message: message.into(),
            field: None,
            id: None,
            status: None,
        }
    }

    pub(crate) fn at(mut self, field: impl Into<String>) -> Self {
        self.field = Some(field.into());
        self
    }

    pub(crate) fn of_item(mut self, id: impl Into<String>, status: StatusCode) -> Self {
        self.id = Some(id.into());
        self.status = Some(status.as_u16());
        self
    }
}

/// An answer that is an error. Its cause goes to the log, never into the body.
#[derive(Debug)]
pub(crate) struct Problem(Box<Content>);

#[derive(Debug)]
struct Content {
    status: StatusCode,
    errors: Vec<ErrorResponse>,
    header: Option<(HeaderName, String)>,
    cause: Option<Box<dyn Error + Send + Sync>>,
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0.status)
    }
}

impl Problem {
    pub(crate) fn new(status: StatusCode, code: Code, message: impl Into<String>) -> Self {
        Self::many(status, vec![ErrorResponse::new(code, message)])
    }

    pub(crate) fn many(status: StatusCode, errors: Vec<ErrorResponse>) -> Self {
        Self(Box::new(Content {
            status,
            errors,
            header: None,
            cause: None,
        }))
    }

    /// Something that cannot be read, or lacks a required field.
    pub(crate) fn malformed(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, Code::Malformed, message)
    }

    pub(crate) fn malformed_field(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self::many(
            StatusCode::BAD_REQUEST,
            vec![ErrorResponse::new(Code::Malformed, message).at(field)],
        )
    }

    pub(crate) fn missing(field: &str) -> Self {
        Self::malformed_field(field, format!("{field} is required"))
    }

    /// The state of things does not allow it.
    pub(crate) fn precondition(code: Code, message: impl Into<String>) -> Self {
        Self::new(StatusCode::PRECONDITION_FAILED, code, message)
    }

    pub(crate) fn not_authenticated(message: impl Into<String>, challenge: &str) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, Code::NotAuthenticated, message).with(header::WWW_AUTHENTICATE, challenge)
    }

    /// Too many; there is room again after `wait`.
    pub(crate) fn too_many_requests(message: impl Into<String>, wait: Duration) -> Self {
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        Self::new(StatusCode::TOO_MANY_REQUESTS, Code::TooManyRequests, message)
            .with(header::RETRY_AFTER, seconds.max(1).to_string())
    }

    pub(crate) fn unavailable(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            Code::Unavailable,
            "a backing service is not reachable; nothing is lost, ask again",
        )
        .with(header::RETRY_AFTER, RETRY_AFTER)
        .because(cause)
    }

    pub(crate) fn unexpected(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, Code::Unexpected, "unexpected error").because(cause)
    }

    pub(crate) fn with(mut self, name: HeaderName, value: impl Into<String>) -> Self {
        self.0.header = Some((name, value.into()));
        self
    }

    fn because(mut self, cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.0.cause = Some(cause.into());
        self
    }

    /// The code of its first error.
    pub(crate) fn code(&self) -> Option<&'static str> {
        self.0.errors.first().map(|error| error.code)
    }

    pub(crate) fn cause(&self) -> Option<&(dyn Error + Send + Sync + 'static)> {
        self.0.cause.as_deref()
    }
}

/// The challenge of a token that was given and is not accepted (RFC 6750 section 3).
pub(crate) const INVALID_TOKEN: &str = r#"Bearer realm="authme", error="invalid_token""#;

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.0.status
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.0.status);
        if let Some((name, value)) = &self.0.header {
            response.insert_header((name.clone(), value.clone()));
        }
        response
            .insert_header((header::CACHE_CONTROL, "no-store"))
            .json(&self.0.errors)
    }
}

impl From<StoreError> for Problem {
    fn from(failure: StoreError) -> Self {
        match failure {
            StoreError::Unavailable(_) | StoreError::OutcomeUnknown(_) => Self::unavailable(failure),
            StoreError::Corrupt { .. } => Self::unexpected(failure),
        }
    }
}

impl From<UseCaseError> for Problem {
    fn from(failure: UseCaseError) -> Self {
        match failure {
            UseCaseError::Store(failure) => failure.into(),
            UseCaseError::OutboxFull | UseCaseError::Contended => Self::unavailable(failure),
            UseCaseError::Signing(_) => Self::unexpected(failure),
        }
    }
}
