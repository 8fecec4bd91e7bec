//! Paths have one spelling, so that the rules of a proxy about paths hold.

use crate::problem::Problem;

/// The refusal of a path that writes an unreserved character (RFC 3986 section 2.3) as an escape. It would reach the
/// same route as the plain spelling, behind the back of a proxy that compares the text.
pub(crate) fn refuse_respelled(path: &str) -> Option<Problem> {
    respells(path.as_bytes()).then(|| Problem::malformed("the path escapes a character that needs no escape"))
}

fn respells(path: &[u8]) -> bool {
    path.windows(3).any(|window| match window {
        [b'%', high, low] => escaped(*high, *low).is_some_and(is_unreserved),
        _ => false,
    })
}

fn escaped(high: u8, low: u8) -> Option<u8> {
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
    fn an_escape_that_is_not_needed_is_seen_wherever_it_stands() {
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
            assert!(refuse_respelled(path).is_some(), "{path}");
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
            assert!(refuse_respelled(path).is_none(), "{path}");
        }
    }
}
