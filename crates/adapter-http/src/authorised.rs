//! The bearer token: verified, then held against what the operation requires.

use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;

use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::http::header::AUTHORIZATION;
use actix_web::{FromRequest, HttpMessage as _, HttpRequest, web};
use domain::caller::{Call, VerifiedToken};
use domain::ids::{ContactId, UserId};
use domain::permission::{Permission, lacking};
use ports::{Clock, KeySetSource, TokenVerificationError, TokenVerifier};
use use_cases::{Admission, AdmissionError, AdmitCaller};

use crate::admitted::PendingAdmission;
use crate::problem::{Code, INVALID_TOKEN, Problem};
use crate::request_limits::RequestLimits;
use crate::{observe, observed};

/// What it takes to know a caller.
#[derive(Clone)]
pub struct Authenticator {
    pub verifier: Arc<dyn TokenVerifier>,
    pub keys: Arc<dyn KeySetSource>,
    pub clock: Arc<dyn Clock>,
    pub admit_caller: AdmitCaller,
}

impl Authenticator {
    /// A key that is not known may be a new one, and a key set that was away may be back: it is looked at once more,
    /// then the token.
    pub(crate) async fn authenticate(&self, token: &str) -> Result<Arc<VerifiedToken>, TokenVerificationError> {
        match self.verifier.verify(token, self.clock.now()) {
            Err(TokenVerificationError::UnknownKey | TokenVerificationError::KeysUnavailable) => {
                self.keys.refresh().await;
                self.verifier.verify(token, self.clock.now())
            }
            inspected => inspected,
        }
    }
}

/// A caller who has the permission `P`.
pub(crate) struct Authorised<P> {
    pub(crate) call: Call,
    request: HttpRequest,
    permission: PhantomData<P>,
}

impl<P> Authorised<P> {
    /// Says what the call is about where its path does not, for the audit trail.
    pub(crate) fn concerns(&self, kind: &'static str, id: &str) {
        observed::concerns(&self.request, kind, id);
    }

    /// The calling user. Every operation that asks for it requires one.
    pub(crate) fn user(&self) -> Result<&UserId, Problem> {
        self.call
            .user_id()
            .ok_or_else(|| not_permitted("a token that carries a user is required"))
    }
}

impl From<AdmissionError> for Problem {
    fn from(error: AdmissionError) -> Self {
        match error {
            AdmissionError::NotPermitted(lacking) => not_permitted(lacking.to_string()),
            AdmissionError::Inactive(_) => {
                Self::not_authenticated("the bearer token is no longer valid", INVALID_TOKEN)
            }
            AdmissionError::Failed(failure) => failure.into(),
        }
    }
}

fn not_permitted(lacking: impl Into<String>) -> Problem {
    Problem::new(StatusCode::FORBIDDEN, Code::NotPermitted, lacking)
}

/// What a token that could not be verified is answered with: without keys nobody knows whether it is good.
fn verification_problem(rejection: TokenVerificationError) -> Problem {
    match rejection {
        TokenVerificationError::KeysUnavailable => Problem::unavailable(rejection),
        TokenVerificationError::Invalid | TokenVerificationError::UnknownKey => {
            Problem::not_authenticated("the bearer token is not valid", INVALID_TOKEN)
        }
    }
}

/// The one token of the one `Authorization: Bearer` header.
fn bearer(request: &HttpRequest) -> Option<&str> {
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
            let Some(gatekeeper) = request.app_data::<web::Data<Authenticator>>() else {
                return Err(Problem::unexpected("no gatekeeper was registered"));
            };
            let token = bearer(&request)
                .ok_or_else(|| Problem::not_authenticated("a bearer token is required", r#"Bearer realm="authme""#))?;
            let verified = gatekeeper.authenticate(token).await.map_err(verification_problem)?;
            let caller = verified.caller.clone();
            let call = observe::authenticated(&request, &caller)?;
            if let Some(limits) = request.app_data::<web::Data<RequestLimits>>() {
                limits.admit(&caller.client, caller.user_id())?;
            }
            // Requirements are judged every time, whatever is remembered of the token.
            let about = request.match_info().get("id").and_then(|id| UserId::parse(id).ok());
            if !P::permits(&caller, about.as_ref()) {
                return Err(not_permitted(
                    lacking(P::REQUIREMENT, &caller, about.as_ref()).to_string(),
                ));
            }
            request.extensions_mut().insert(PendingAdmission {
                gatekeeper: gatekeeper.clone(),
                caller,
                admission: Admission {
                    requirement: P::REQUIREMENT,
                    check: P::TOKEN_CHECK,
                },
                about,
            });
            Ok(Self {
                call,
                request,
                permission: PhantomData,
            })
        })
    }
}

/// The contact id in the path.
pub(crate) fn contact_in_path(request: &HttpRequest) -> Result<ContactId, Problem> {
    let id = request.match_info().get("factorId").unwrap_or_default();
    ContactId::parse(id).map_err(|malformed| Problem::malformed_field("factorId", malformed.to_string()))
}

/// The user id in the path.
pub(crate) fn user_in_path(request: &HttpRequest) -> Result<UserId, Problem> {
    let id = request.match_info().get("id").unwrap_or_default();
    UserId::parse(id).map_err(|malformed| Problem::malformed_field("id", malformed.to_string()))
}
