use std::sync::Arc;
use std::time::Instant;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::ids::{BusinessId, FamilyId};
use domain::sessions::{AccessToken, AccessTokenSubject};
use ports::sessions::{SigningError, TokenSigner};
use ports::{MetricEvent, Telemetry};
use serde::Serialize;

use crate::{KeyRing, TokenProfile};

/// Signs access tokens with RS512 (RFC 7518 section 3.3) and the claims of RFC 9068 section 2.2.
///
/// The signer itself checks nothing. Every signature goes through the mint gate (`use-cases/src/sessions/mint_gate.rs`),
/// which checks the user's credential lock before it signs.
pub struct Rs512Signer {
    keys: Arc<KeyRing>,
    profile: TokenProfile,
    telemetry: Arc<dyn Telemetry>,
}

#[derive(Serialize)]
struct HeaderMessage<'a> {
    alg: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    typ: Option<&'static str>,
    kid: &'a str,
}

#[derive(Serialize)]
struct ClaimsMessage<'a> {
    iss: &'a str,
    aud: &'a str,
    iat: i64,
    exp: i64,
    jti: &'a str,
    client_id: &'a str,
    client_epoch: u64,
    sub: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    business_id: Option<&'a str>,
    scope: String,
    roles: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    sid: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    epoch: Option<u64>,
    /// Absent for 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    sv: Option<u64>,
}

impl Rs512Signer {
    pub fn new(keys: Arc<KeyRing>, profile: TokenProfile, telemetry: Arc<dyn Telemetry>) -> Self {
        Self {
            keys,
            profile,
            telemetry,
        }
    }

    fn claims<'a>(&'a self, token: &'a AccessToken) -> ClaimsMessage<'a> {
        let (user, business, session, epoch, sv) = match &token.subject {
            AccessTokenSubject::Client => (None, None, None, None, None),
            AccessTokenSubject::User {
                id,
                business,
                session,
                epoch,
                sessions_version,
            } => (
                Some(id.as_str()),
                business.as_ref().map(BusinessId::as_str),
                session.as_ref().map(FamilyId::as_str),
                Some(*epoch),
                Some(*sessions_version).filter(|version| *version > 0),
            ),
        };
        ClaimsMessage {
            iss: &self.profile.issuer,
            aud: &self.profile.audience,
            iat: token.issued_at.as_second(),
            exp: token.expires_at.as_second(),
            jti: &token.id,
            client_id: token.client.as_str(),
            client_epoch: token.client_epoch,
            sub: user.unwrap_or(token.client.as_str()),
            user_id: user,
            business_id: business,
            scope: token.scopes.join(" "),
            roles: &token.roles,
            sid: session,
            epoch,
            sv,
        }
    }
}

impl TokenSigner for Rs512Signer {
    fn sign(&self, token: &AccessToken) -> Result<String, SigningError> {
        let key = self
            .keys
            .signing_key(token.issued_at)
            .ok_or(SigningError("no key signs at this time"))?;
        let header = HeaderMessage {
            alg: "RS512",
            typ: self.profile.token_type.header(),
            kid: key.id(),
        };
        let json_error = |error: serde_json::Error| {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "an access token cannot be serialized"
            );
            SigningError("the claims cannot be serialized")
        };
        // Longer than most tokens, so that the text is usually allocated once.
        let mut jwt = String::with_capacity(1024);
        URL_SAFE_NO_PAD.encode_string(serde_json::to_vec(&header).map_err(json_error)?, &mut jwt);
        jwt.push('.');
        URL_SAFE_NO_PAD.encode_string(serde_json::to_vec(&self.claims(token)).map_err(json_error)?, &mut jwt);
        let started_at = Instant::now();
        let signature = key.sign(jwt.as_bytes())?;
        self.telemetry.record(MetricEvent::Signature {
            took: started_at.elapsed(),
        });
        jwt.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut jwt);
        Ok(jwt)
    }
}
