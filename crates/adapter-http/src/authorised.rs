//! Verifies the bearer token and compares its roles and scopes with what the operation requires.

use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;

use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::http::header::AUTHORIZATION;
use actix_web::{FromRequest, HttpMessage as _, HttpRequest, web};
use domain::caller::{Call, CallingUser};
use domain::ids::{ContactId, FamilyId, UserId};
use domain::permission::{Permission, missing_permissions};
use ports::TokenVerificationError;
use use_cases::{Admission, AdmissionError};

use crate::admission::PendingAdmission;
use crate::authenticator::Authenticator;
use crate::problem::{Code, INVALID_TOKEN, Problem};
use crate::request_limits::RequestLimiter;
use crate::{instrumentation, request_record};

/// An extractor: the call of a caller who has the permission `P`.
pub(crate) struct Authorised<P> {
    pub(crate) call: Call,
    request: HttpRequest,
    permission: PhantomData<P>,
}

impl<P> Authorised<P> {
    /// Adds an object that the path does not name to the audit record of the call.
    pub(crate) fn record_object(&self, kind: &'static str, id: &str) {
        request_record::record_object(&self.request, kind, id);
    }

    /// Returns the calling user, or 403. The 403 is unreachable: every operation that needs a user requires a token
    /// that carries one.
    pub(crate) fn user(&self) -> Result<&UserId, Problem> {
        Ok(&self.calling_user()?.id)
    }

    /// Returns the user part of the caller's token, or 403, as [`user`](Self::user) does.
    pub(crate) fn calling_user(&self) -> Result<&CallingUser, Problem> {
        let user = self.call.user.as_ref();
        user.ok_or_else(|| permission_problem("a token that carries a user is required"))
    }
}

impl From<AdmissionError> for Problem {
    fn from(error: AdmissionError) -> Self {
        match error {
            AdmissionError::NotPermitted(missing) => permission_problem(missing.to_string()),
            AdmissionError::Inactive(_) => {
                Self::not_authenticated("the access token is no longer active", INVALID_TOKEN)
            }
            AdmissionError::Store(error) => error.into(),
        }
    }
}

fn permission_problem(message: impl Into<String>) -> Problem {
    Problem::new(StatusCode::FORBIDDEN, Code::NotPermitted, message)
}

/// Maps the verification error of a token to its response. Without a key set the token may be valid, so the response is
/// 503. A client that got 401 would discard a valid session.
fn verification_problem(error: TokenVerificationError) -> Problem {
    match error {
        TokenVerificationError::KeysUnavailable => Problem::unavailable(error),
        TokenVerificationError::Invalid | TokenVerificationError::UnknownKey => {
            Problem::not_authenticated("the access token is expired or cannot be verified", INVALID_TOKEN)
        }
    }
}

/// Returns the token of the `Authorization: Bearer` header, if there is exactly one such header.
fn bearer_token(request: &HttpRequest) -> Option<&str> {
    let mut headers = request.headers().get_all(AUTHORIZATION);
    let (Some(header), None) = (headers.next(), headers.next()) else {
        return None;
    };
    let (scheme, token) = std::str::from_utf8(header.as_bytes()).ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("Bearer").then(|| token.trim())
}

impl<P: Permission> FromRequest for Authorised<P> {
    type Error = Problem;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Problem>>>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move {
            let Some(authenticator) = request.app_data::<web::Data<Authenticator>>() else {
                return Err(Problem::unexpected("the application has no authenticator"));
            };
            let token = bearer_token(&request).ok_or_else(|| {
                Problem::not_authenticated(
                    "an Authorization header with one bearer token is required",
                    r#"Bearer realm="authme""#,
                )
            })?;
            let verified = authenticator.authenticate(token).await.map_err(verification_problem)?;
            let caller = verified.caller.clone();
            let call = instrumentation::record_caller(&request, &caller)?;
            if let Some(limiter) = request.app_data::<web::Data<RequestLimiter>>() {
                limiter.admit(&caller.client, caller.user_id())?;
            }
            // Checked at every request: verified tokens are cached, permissions are not.
            let target_user = request.match_info().get("id").and_then(|id| UserId::parse(id).ok());
            if !P::permits(&caller, target_user.as_ref()) {
                return Err(permission_problem(
                    missing_permissions(P::REQUIREMENT, &caller, target_user.as_ref()).to_string(),
                ));
            }
            request.extensions_mut().insert(PendingAdmission {
                authenticator: authenticator.clone(),
                caller,
                admission: Admission {
                    requirement: P::REQUIREMENT,
                    check: P::TOKEN_CHECK,
                },
                target_user,
            });
            Ok(Self {
                call,
                request,
                permission: PhantomData,
            })
        })
    }
}

/// Returns the contact id in the path, or 400.
pub(crate) fn contact_in_path(request: &HttpRequest) -> Result<ContactId, Problem> {
    let id = request.match_info().get("factorId").unwrap_or_default();
    ContactId::parse(id).map_err(|error| Problem::malformed_field("factorId", error.to_string()))
}

/// Returns the session id in the path, or 400.
pub(crate) fn session_in_path(request: &HttpRequest) -> Result<FamilyId, Problem> {
    let id = request.match_info().get("sid").unwrap_or_default();
    FamilyId::parse(id).map_err(|error| Problem::malformed_field("sid", error.to_string()))
}

/// Returns the user id in the path, or 400.
pub(crate) fn user_in_path(request: &HttpRequest) -> Result<UserId, Problem> {
    let id = request.match_info().get("id").unwrap_or_default();
    UserId::parse(id).map_err(|error| Problem::malformed_field("id", error.to_string()))
}
