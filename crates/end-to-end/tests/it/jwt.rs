use end_to_end::Response;

pub(crate) use test_support::jwt::{claims, decode};

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
