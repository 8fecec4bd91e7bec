//! Rejects other spellings of a path, so that a proxy can filter by the text of paths.

use crate::problem::Problem;

/// Returns a 400 for a path that percent-encodes an unreserved character (RFC 3986 section 2.3). Scenario: a proxy
/// blocks `/user-identities/lock`. A requests `/user-identities/%6Cock`. The proxy compares the text and lets it pass;
/// the router decodes it and would call the blocked operation.
pub(crate) fn reject_needless_escapes(path: &str) -> Option<Problem> {
    has_needless_escape(path.as_bytes()).then(|| {
        Problem::malformed("the path percent-encodes a character that must be sent plain (RFC 3986 section 2.3)")
    })
}

fn has_needless_escape(path: &[u8]) -> bool {
    path.windows(3).any(|window| match window {
        [b'%', high, low] => decode_escape(*high, *low).is_some_and(is_unreserved),
        _ => false,
    })
}

fn decode_escape(high: u8, low: u8) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    u8::try_from(digit(high)? * 16 + digit(low)?).ok()
}

const fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn needless_escapes_are_rejected_anywhere_in_the_path() {
        for path in [
            "/user-identities/%6Cock",
            "/%6c",
            "/a%2Eb",
            "/a%2d",
            "/%7E",
            "/%25%41",
            "/%%34",
            "/%5F",
        ] {
            assert!(reject_needless_escapes(path).is_some(), "{path}");
        }
        for path in [
            "/user-identities/lock",
            "/a%20b",
            "/a%40b",
            "/%2f",
            "/%C3%A9",
            "/100%",
            "/%4",
            "/%zz",
            "/%25",
        ] {
            assert!(reject_needless_escapes(path).is_none(), "{path}");
        }
    }
}
