//! The documented error array, which is the body of every 4xx and 5xx response, and the table of error codes.

use std::error::Error;
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderName};
use actix_web::{HttpResponse, ResponseError};
use ports::{EventLogError, StoreError};
use serde::Serialize;
use use_cases::UseCaseError;
use utoipa::ToSchema;

/// The `Retry-After` of a 503, in seconds: the smallest value, and long enough for a planned election of the store.
const RETRY_AFTER: &str = "1";

/// The error codes of docs/api.md "Errors".
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
    NotFound,
    TokenNotValid,
    CredentialLocked,
    ClientNotUsable,
    BusinessNotLinked,
    GroupNotKnown,
    OneTimeCodeNotValid,
    AttemptsUsedUp,
    TooManyRequests,
    EventsMissed,
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
            Self::NotFound => "14",
            Self::TokenNotValid => "20",
            Self::CredentialLocked => "21",
            Self::ClientNotUsable => "22",
            Self::BusinessNotLinked => "23",
            Self::GroupNotKnown => "24",
            Self::OneTimeCodeNotValid => "30",
            Self::AttemptsUsedUp => "31",
            Self::TooManyRequests => "32",
            Self::EventsMissed => "40",
            Self::Unavailable => "90",
            Self::Unexpected => "99",
        }
    }
}

/// One entry of the error array.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = Error)]
pub(crate) struct ErrorResponse {
    /// The documented error code. Programs decide by the code and the status.
    #[schema(example = "08")]
    code: &'static str,
    /// A description of the error for the developer of the client. The text may change.
    #[schema(example = "email is not a valid e-mail address, or is missing")]
    message: String,
    /// The field that is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "authenticationFactors[0].email")]
    field: Option<String>,
    /// The id of the item that is wrong, in a request with several items.
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    /// The status that a request with this item alone would have.
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

    pub(crate) fn for_item(mut self, id: impl Into<String>, status: StatusCode) -> Self {
        self.id = Some(id.into());
        self.status = Some(status.as_u16());
        self
    }
}

/// An error response. Its cause is logged and never part of the body.
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
        Self::with_errors(status, vec![ErrorResponse::new(code, message)])
    }

    pub(crate) fn with_errors(status: StatusCode, errors: Vec<ErrorResponse>) -> Self {
        Self(Box::new(Content {
            status,
            errors,
            header: None,
            cause: None,
        }))
    }

    /// Creates a 400 for a request that cannot be read or lacks a required field.
    pub(crate) fn malformed(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, Code::Malformed, message)
    }

    /// Creates a 400 for a field of the request.
    pub(crate) fn malformed_field(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self::with_errors(
            StatusCode::BAD_REQUEST,
            vec![ErrorResponse::new(Code::Malformed, message).at(field)],
        )
    }

    /// Creates a 400 for a required field that is absent.
    pub(crate) fn missing(field: &str) -> Self {
        Self::malformed_field(field, format!("{field} is required"))
    }

    /// Creates a 412: the state of the user, client, business or group does not allow the operation.
    pub(crate) fn precondition(code: Code, message: impl Into<String>) -> Self {
        Self::new(StatusCode::PRECONDITION_FAILED, code, message)
    }

    /// Creates a 401 with the challenge that RFC 9110 section 11.6.1 requires.
    pub(crate) fn not_authenticated(message: impl Into<String>, challenge: &str) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, Code::NotAuthenticated, message)
            .with_header(header::WWW_AUTHENTICATE, challenge)
    }

    /// Creates a 429 whose `Retry-After` is `wait`, rounded up to whole seconds.
    pub(crate) fn too_many_requests(message: impl Into<String>, wait: Duration) -> Self {
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        Self::new(StatusCode::TOO_MANY_REQUESTS, Code::TooManyRequests, message)
            .with_header(header::RETRY_AFTER, seconds.max(1).to_string())
    }

    /// Creates a 503. The operation may have been carried out.
    pub(crate) fn unavailable(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            Code::Unavailable,
            "a backing service is not reachable or did not answer in time; repeat the request",
        )
        .with_header(header::RETRY_AFTER, RETRY_AFTER)
        .with_cause(cause)
    }

    /// Creates a 500.
    pub(crate) fn unexpected(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            Code::Unexpected,
            "unexpected error; report the x-request-id to the operator",
        )
        .with_cause(cause)
    }

    /// Sets the additional header of the response. There is only one: a second call replaces it.
    pub(crate) fn with_header(mut self, name: HeaderName, value: impl Into<String>) -> Self {
        self.0.header = Some((name, value.into()));
        self
    }

    fn with_cause(mut self, cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.0.cause = Some(cause.into());
        self
    }

    /// Returns the code of the first error.
    pub(crate) fn code(&self) -> Option<&'static str> {
        self.0.errors.first().map(|error| error.code)
    }

    pub(crate) fn cause(&self) -> Option<&(dyn Error + Send + Sync + 'static)> {
        self.0.cause.as_deref()
    }
}

/// The challenge for a token that is not accepted (RFC 6750 section 3).
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
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable(_) | StoreError::OutcomeUnknown(_) => Self::unavailable(error),
            StoreError::Corrupt { .. } => Self::unexpected(error),
        }
    }
}

impl From<EventLogError> for Problem {
    fn from(error: EventLogError) -> Self {
        match error {
            EventLogError::Missed(_) => Self::new(StatusCode::GONE, Code::EventsMissed, error.to_string()),
            EventLogError::Store(error) => error.into(),
        }
    }
}

impl From<UseCaseError> for Problem {
    fn from(error: UseCaseError) -> Self {
        match error {
            UseCaseError::Store(error) => error.into(),
            UseCaseError::OutboxFull | UseCaseError::Contended => Self::unavailable(error),
            UseCaseError::Signing(_) => Self::unexpected(error),
        }
    }
}
