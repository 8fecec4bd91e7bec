//! Decodes access tokens, and encodes and signs any header and claims with the server's key.

use serde_json::{Value, json};

use crate::test_app::{ISSUER, START, TestApp, at};

pub(crate) use test_support::jwt::{claims, decode, encode};

/// Returns the id of the initial signing key.
pub(crate) fn kid(app: &TestApp) -> String {
    let key = app.keys.signing_key(at(START)).expect("a key signs");
    key.id().to_owned()
}

pub(crate) fn header(app: &TestApp) -> Value {
    json!({"alg": "RS512", "typ": "at+jwt", "kid": kid(app)})
}

/// Signs any two texts as header and claims.
pub(crate) fn sign_text(app: &TestApp, header: &str, claims: &str) -> String {
    let message = format!("{}.{}", encode(header), encode(claims));
    let key = app.keys.signing_key(at(START)).expect("a key signs");
    let signature = key.sign(message.as_bytes()).expect("the key signs");
    format!("{message}.{}", encode(signature))
}

pub(crate) fn sign(app: &TestApp, header: &Value, claims: &Value) -> String {
    sign_text(app, &header.to_string(), &claims.to_string())
}

/// Returns the claims of a client-only token that is issued at the start of the test clock.
pub(crate) fn client_claims(client: &str, roles: &[&str], scopes: &[&str]) -> Value {
    json!({
        "iss": ISSUER, "aud": "authme", "iat": START, "exp": START + 300, "jti": "0123456789ab0123456789ab",
        "client_id": client, "sub": client, "scope": scopes.join(" "), "roles": roles,
    })
}

/// Returns the claims of a user's token at the portal.
pub(crate) fn user_claims(user: &str, roles: &[&str], scopes: &[&str]) -> Value {
    let mut claims = client_claims("portal", roles, scopes);
    claims["sub"] = json!(user);
    claims["user_id"] = json!(user);
    claims["epoch"] = json!(0);
    claims
}

/// Signs claims under the header of AuthMe's tokens.
pub(crate) fn token(app: &TestApp, claims: &Value) -> String {
    sign(app, &header(app), claims)
}
