use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::caller::{Caller, CallingUser, VerifiedToken};
use domain::ids::{BusinessId, ClientId, FamilyId, UserId};
use domain::time::Timestamp;
use jsonwebtoken::{Algorithm, Validation};
use ports::TokenVerificationError;
use serde::Deserialize;

use crate::VerificationKeys;

/// The maximum length of a token, in bytes. Tokens that AuthMe signs are much shorter.
const MAX_TOKEN_BYTES: usize = 16 * 1024;

/// The tolerance for an `iat` ahead of this machine's clock, in seconds: the clock of the machine that signed may be
/// ahead. A minute is within the leeway of RFC 7519 section 4.1.5, "usually no more than a few minutes".
const CLOCK_SKEW_SECONDS: i64 = 60;

/// The `typ` header of access tokens. It can be set because some verifiers reject a `typ` that they do not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TokenType {
    /// `at+jwt` (RFC 9068 section 2.1).
    #[default]
    AccessToken,
    Jwt,
    Absent,
}

impl TokenType {
    pub(crate) const fn header(self) -> Option<&'static str> {
        match self {
            Self::AccessToken => Some("at+jwt"),
            Self::Jwt => Some("JWT"),
            Self::Absent => None,
        }
    }

    /// Reads the setting `tokens.typ`.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "at+jwt" => Some(Self::AccessToken),
            "JWT" => Some(Self::Jwt),
            "none" => Some(Self::Absent),
            _ => None,
        }
    }
}

/// The properties that all access tokens of an installation share.
#[derive(Debug, Clone)]
pub struct TokenProfile {
    pub issuer: String,
    pub audience: String,
    pub token_type: TokenType,
    /// The longest allowed time from `iat` to `exp`. A token with a longer one is rejected even if its signature is
    /// valid.
    pub longest_life: Duration,
}

/// Verifies access tokens without a cache: algorithm, key, signature, issuer, audience, type and times (RFC 9068
/// section 4).
pub(crate) struct JwtVerifier {
    keys: Arc<dyn VerificationKeys>,
    profile: TokenProfile,
    validation: Validation,
}

/// The header parameters that AuthMe writes. A header with any other parameter, such as `crit`, `jku` or `jwk`, is
/// rejected (RFC 8725 section 3.10).
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HeaderParameters {
    alg: String,
    typ: Option<String>,
    kid: String,
}

#[derive(Deserialize)]
struct Claims {
    iss: String,
    jti: String,
    iat: i64,
    exp: i64,
    nbf: Option<i64>,
    sub: String,
    client_id: String,
    #[serde(default)]
    client_epoch: u64,
    user_id: Option<String>,
    business_id: Option<String>,
    scope: String,
    roles: Vec<String>,
    sid: Option<String>,
    epoch: Option<u64>,
    #[serde(default)]
    sv: u64,
}

impl JwtVerifier {
    pub(crate) fn new(keys: Arc<dyn VerificationKeys>, profile: TokenProfile) -> Self {
        let mut validation = Validation::new(Algorithm::RS512);
        validation.leeway = 0;
        validation.set_issuer(&[&profile.issuer]);
        validation.set_audience(&[&profile.audience]);
        validation.set_required_spec_claims(&["iss", "aud", "exp", "sub"]);
        // `has_valid_times` checks these at the caller's time. The library would read the system clock.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        Self {
            keys,
            profile,
            validation,
        }
    }

    fn parse_header(&self, token: &str) -> Option<HeaderParameters> {
        let (header, _) = token.split_once('.')?;
        let header: HeaderParameters = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).ok()?).ok()?;
        (header.alg == "RS512" && header.typ.as_deref() == self.profile.token_type.header()).then_some(header)
    }

    fn has_valid_times(&self, claims: &Claims, now: Timestamp) -> bool {
        let now = now.as_second();
        let life = claims
            .exp
            .checked_sub(claims.iat)
            .and_then(|life| u64::try_from(life).ok());
        claims.iat >= 0
            && claims.iat <= now + CLOCK_SKEW_SECONDS
            && now < claims.exp
            && claims.nbf.is_none_or(|not_before| not_before <= now)
            && life.is_some_and(|life| life <= self.profile.longest_life.as_secs())
    }

    pub(crate) fn verify(&self, token: &str, now: Timestamp) -> Result<VerifiedToken, TokenVerificationError> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(TokenVerificationError::Invalid);
        }
        let header = self.parse_header(token).ok_or(TokenVerificationError::Invalid)?;
        let key = self
            .keys
            .verification_key(&header.kid, now)
            .ok_or(TokenVerificationError::UnknownKey)?;
        let decoded = jsonwebtoken::decode::<Claims>(token, &key.key, &self.validation);
        let claims = decoded.map_err(|_| TokenVerificationError::Invalid)?.claims;
        if claims.iss != self.profile.issuer || !self.has_valid_times(&claims, now) || !key.was_in_use_at(claims.iat) {
            return Err(TokenVerificationError::Invalid);
        }
        self.verified_token(claims).ok_or(TokenVerificationError::Invalid)
    }

    fn verified_token(&self, claims: Claims) -> Option<VerifiedToken> {
        Some(VerifiedToken {
            id: claims.jti.clone(),
            issuer: claims.iss.clone(),
            audience: self.profile.audience.clone(),
            issued_at: Timestamp::from_second(claims.iat).ok()?,
            caller: Arc::new(caller(claims)?),
        })
    }
}

/// Returns the caller that the claims name: a user (`user_id` equals `sub`) or the client itself (`client_id` equals
/// `sub`). Returns `None` if the claims contradict each other.
fn caller(claims: Claims) -> Option<Caller> {
    let user = match claims.user_id {
        Some(id) if id == claims.sub => Some(CallingUser {
            id: UserId::parse(id).ok()?,
            business: claims.business_id.map(BusinessId::parse).transpose().ok()?,
            session: claims.sid.map(FamilyId::parse).transpose().ok()?,
            epoch: claims.epoch?,
            sessions_version: claims.sv,
        }),
        None if claims.sub == claims.client_id => None,
        Some(_) | None => return None,
    };
    Some(Caller {
        client: ClientId::parse(claims.client_id).ok()?,
        client_epoch: claims.client_epoch,
        user,
        roles: claims.roles,
        scopes: claims.scope.split_ascii_whitespace().map(str::to_owned).collect(),
        expires_at: Timestamp::from_second(claims.exp).ok()?,
    })
}
