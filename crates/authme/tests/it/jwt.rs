//! Access tokens taken apart and put together by hand, with the server's own key.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::test_app::{BEGIN, ISSUER, TestApp, at};

pub(crate) fn encoded(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Header and claims of a token, unverified.
#[track_caller]
pub(crate) fn taken_apart(token: &str) -> (Value, Value) {
    let mut parts = token.split('.').map(|part| {
        let bytes = URL_SAFE_NO_PAD.decode(part).expect("base64url");
        serde_json::from_slice(&bytes).unwrap_or(Value::Null)
    });
    (parts.next().expect("a header"), parts.next().expect("claims"))
}

pub(crate) fn claims(token: &str) -> Value {
    taken_apart(token).1
}

/// The id of the key that signs at the beginning.
pub(crate) fn kid(app: &TestApp) -> String {
    let key = app.keys.signing_key(at(BEGIN)).expect("a key signs");
    key.id().to_owned()
}

pub(crate) fn header(app: &TestApp) -> Value {
    json!({"alg": "RS512", "typ": "at+jwt", "kid": kid(app)})
}

/// Signs any two texts as header and claims.
pub(crate) fn signed_text(app: &TestApp, header: &str, claims: &str) -> String {
    let message = format!("{}.{}", encoded(header), encoded(claims));
    let key = app.keys.signing_key(at(BEGIN)).expect("a key signs");
    let signature = key.sign(message.as_bytes()).expect("the key signs");
    format!("{message}.{}", encoded(signature))
}

pub(crate) fn signed(app: &TestApp, header: &Value, claims: &Value) -> String {
    signed_text(app, &header.to_string(), &claims.to_string())
}

/// Claims of a client on its own, as they are issued at the beginning.
pub(crate) fn client_claims(client: &str, roles: &[&str], scopes: &[&str]) -> Value {
    json!({
        "iss": ISSUER, "aud": "authme", "iat": BEGIN, "exp": BEGIN + 300, "jti": "0123456789ab0123456789ab",
        "client_id": client, "sub": client, "scope": scopes.join(" "), "roles": roles,
    })
}

/// Claims of a user acting through the portal.
pub(crate) fn user_claims(user: &str, roles: &[&str], scopes: &[&str]) -> Value {
    let mut claims = client_claims("portal", roles, scopes);
    claims["sub"] = json!(user);
    claims["user_id"] = json!(user);
    claims["epoch"] = json!(0);
    claims
}

/// Signs claims under the header of our tokens.
pub(crate) fn token(app: &TestApp, claims: &Value) -> String {
    signed(app, &header(app), claims)
}
