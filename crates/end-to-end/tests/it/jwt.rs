use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use end_to_end::Answer;
use serde_json::Value;

/// Header and claims of a token, unverified: verifying is the services' part.
pub(crate) fn taken_apart(token: &str) -> (Value, Value) {
    let mut parts = token.split('.').map(|part| {
        let bytes = URL_SAFE_NO_PAD.decode(part).expect("base64url");
        serde_json::from_slice(&bytes).unwrap_or_default()
    });
    (parts.next().expect("a header"), parts.next().expect("claims"))
}

pub(crate) fn claims(token: &str) -> Value {
    taken_apart(token).1
}

/// The key that signed the token.
pub(crate) fn kid(token: &str) -> String {
    let kid = taken_apart(token).0["kid"].as_str().map(str::to_owned);
    kid.expect("the header names the key")
}

/// Whose access token is in the answer.
pub(crate) fn subject(answer: &Answer) -> String {
    let subject = claims(&answer.text("accessToken"))["sub"].as_str().map(str::to_owned);
    subject.expect("every token has a subject")
}
