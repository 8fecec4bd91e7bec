use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use end_to_end::Response;
use serde_json::Value;

/// Returns the header and the claims of a token without verifying it.
pub(crate) fn decode(token: &str) -> (Value, Value) {
    let mut parts = token.split('.').map(|part| {
        let bytes = URL_SAFE_NO_PAD.decode(part).expect("base64url");
        serde_json::from_slice(&bytes).unwrap_or_default()
    });
    (parts.next().expect("a header"), parts.next().expect("claims"))
}

pub(crate) fn claims(token: &str) -> Value {
    decode(token).1
}

/// Returns the id of the key that signed the token.
pub(crate) fn kid(token: &str) -> String {
    let kid = decode(token).0["kid"].as_str().map(str::to_owned);
    kid.expect("the header names the key")
}

/// Returns the subject of the access token in a response.
pub(crate) fn subject(response: &Response) -> String {
    let subject = claims(&response.text("accessToken"))["sub"].as_str().map(str::to_owned);
    subject.expect("every token has a subject")
}
