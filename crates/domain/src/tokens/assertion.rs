use std::time::Duration;

use crate::time::{self, Timestamp};

/// The maximum length of an assertion id, in bytes. Identity providers use 33 to 64; the rest is room for others.
pub const MAX_ASSERTION_ID_BYTES: usize = 256;

/// How far ahead an assertion's end may be. It is also how long an assertion without an end is remembered. Identity
/// providers issue assertions for minutes, some for a working day.
pub const MAX_ASSERTION_LIFETIME: Duration = Duration::from_hours(24);

/// A text that is not an assertion id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("1 to {MAX_ASSERTION_ID_BYTES} bytes")]
pub struct MalformedAssertionId;

/// The id of a SAML assertion as its issuer chose it (`ID` of SAML 2.0 Core section 2.3.3). It is opaque and compared
/// as given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AssertionId(String);

impl AssertionId {
    /// Parses an id of any characters.
    ///
    /// # Errors
    ///
    /// Returns [`MalformedAssertionId`] for a text that is empty or longer than [`MAX_ASSERTION_ID_BYTES`].
    pub fn parse(text: impl Into<String>) -> Result<Self, MalformedAssertionId> {
        let text = text.into();
        if (1..=MAX_ASSERTION_ID_BYTES).contains(&text.len()) {
            Ok(Self(text))
        } else {
            Err(MalformedAssertionId)
        }
    }

    /// Returns the id exactly as it was parsed.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The assertion behind a login, as a SAML integration names it. Both members are optional.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Assertion {
    /// With an id, the assertion gets one validation token.
    pub id: Option<AssertionId>,
    /// The first instant at which the assertion is not valid (`NotOnOrAfter` of SAML 2.0 Core section 2.5.1).
    pub not_on_or_after: Option<Timestamp>,
}

/// The reason why an assertion's time is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AssertionError {
    /// Its end has come.
    Expired,
    /// Its end is more than [`MAX_ASSERTION_LIFETIME`] ahead. Its use could be forgotten before its end.
    EndsTooLate,
}

impl Assertion {
    /// Checks the end of the assertion at `now`.
    ///
    /// # Errors
    ///
    /// Returns [`AssertionError`] when the end has come or is too far ahead.
    pub fn check(&self, now: Timestamp) -> Result<(), AssertionError> {
        match self.not_on_or_after {
            Some(end) if end <= now => Err(AssertionError::Expired),
            Some(end) if end > time::after(now, MAX_ASSERTION_LIFETIME) => Err(AssertionError::EndsTooLate),
            Some(_) | None => Ok(()),
        }
    }

    /// Returns the first instant at which the use of the assertion may be forgotten: its end, or
    /// [`MAX_ASSERTION_LIFETIME`] after `now` if it has none.
    pub fn remembered_until(&self, now: Timestamp) -> Timestamp {
        self.not_on_or_after
            .unwrap_or_else(|| time::after(now, MAX_ASSERTION_LIFETIME))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn an_id_has_1_to_256_bytes_of_any_kind() {
        for good in ["_1", " ", "_é/+=\n", &"x".repeat(256)] {
            assert_eq!(AssertionId::parse(good).unwrap().as_str(), good);
        }
        for bad in ["", &"x".repeat(257), &"é".repeat(129)] {
            assert_eq!(AssertionId::parse(bad), Err(MalformedAssertionId));
        }
    }

    #[test]
    fn an_assertion_ends_within_a_day() {
        let check = |end: i64| {
            let assertion = Assertion {
                id: None,
                not_on_or_after: Some(at(end)),
            };
            assertion.check(at(1_000))
        };
        let day = 24 * 3600;
        assert_eq!(check(999), Err(AssertionError::Expired));
        assert_eq!(check(1_000), Err(AssertionError::Expired));
        assert_eq!(check(1_001), Ok(()));
        assert_eq!(check(1_000 + day), Ok(()));
        assert_eq!(check(1_001 + day), Err(AssertionError::EndsTooLate));
        assert_eq!(Assertion::default().check(at(1_000)), Ok(()));
    }

    #[test]
    fn an_assertion_is_remembered_until_its_end() {
        let assertion = Assertion {
            id: None,
            not_on_or_after: Some(at(1_300)),
        };
        assert_eq!(assertion.remembered_until(at(1_000)), at(1_300));
        assert_eq!(Assertion::default().remembered_until(at(1_000)), at(1_000 + 24 * 3600));
    }
}
