//! Identifiers, compared as given. Generated ids have 24 hexadecimal digits, like those of the documented API.

use std::fmt;

/// A text that is not an identifier of its type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an id is 1 to 64 characters of A-Z a-z 0-9 _ -{extra}")]
pub struct MalformedId {
    extra: &'static str,
}

fn is_id(text: &str, also: Option<char>) -> bool {
    (1..=64).contains(&text.len())
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-' || Some(c) == also)
}

macro_rules! identifier {
    ($(#[$doc:meta])* $name:ident, also $also:expr, $extra:literal, reserved $reserved:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// Parses an id of 1 to 64 allowed characters.
            ///
            /// # Errors
            ///
            /// Returns [`MalformedId`] for a text that is empty, too long or reserved, or has another character.
            pub fn parse(text: impl Into<String>) -> Result<Self, MalformedId> {
                let text = text.into();
                let reserved: Option<&str> = $reserved;
                if is_id(&text, $also) && reserved != Some(text.as_str()) {
                    Ok(Self(text))
                } else {
                    Err(MalformedId { extra: $extra })
                }
            }

            /// Returns an id of twelve random bytes: 24 hexadecimal digits.
            pub fn from_random(bytes: [u8; 12]) -> Self {
                Self(crate::hex::encode(&bytes))
            }

            /// Returns the id exactly as it was parsed.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

identifier!(
    /// The id of a user. `me` is reserved: in a path it names the caller.
    UserId, also None, "", reserved Some("me")
);
identifier!(
    /// The id of a contact. `me` is reserved, as in user ids.
    ContactId, also None, "", reserved Some("me")
);
identifier!(
    /// The id of a business that a user may act for.
    BusinessId, also None, "", reserved None
);
identifier!(
    /// The id of a client application, or one of its aliases; it may have dots.
    ClientId, also Some('.'), " .", reserved None
);
identifier!(
    /// The id of a refresh token family, which is a session: the claim `sid`.
    FamilyId, also None, "", reserved None
);

/// The id of an event: a UUID of version 7 (RFC 9562 section 5.7), which contains the time of the event.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventId(pub String);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ids_are_one_to_sixty_four_plain_characters() {
        for good in ["5efd263cbe2d398bb00b97ea", "a", "A_b-9", &"x".repeat(64)] {
            assert!(UserId::parse(good).is_ok(), "{good}");
        }
        for bad in ["", "me", "a b", "a/b", "a.b", "é", "a\n", &"x".repeat(65)] {
            assert!(UserId::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn only_a_client_id_may_hold_a_dot() {
        assert!(ClientId::parse("com.example.portal").is_ok());
        assert!(BusinessId::parse("com.example").is_err());
    }

    #[test]
    fn parse_rejects_a_mebibyte() {
        assert!(UserId::parse("a".repeat(1 << 20)).is_err());
        assert!(ClientId::parse(".".repeat(1 << 20)).is_err());
    }

    proptest! {
        #[test]
        fn parse_keeps_the_text_of_an_id(text in prop_oneof!["\\PC{0,70}", "[A-Za-z0-9_.-]{0,70}", any::<String>()]) {
            let plain = |also: &[u8]| {
                let fits = |b: u8| b.is_ascii_alphanumeric() || b"_-".contains(&b) || also.contains(&b);
                (1..=64).contains(&text.len()) && text.bytes().all(fits)
            };
            let is_me = text == "me";
            for (read, expected) in [
                (UserId::parse(&*text).map(|id| id.to_string()), plain(b"") && !is_me),
                (ContactId::parse(&*text).map(|id| id.to_string()), plain(b"") && !is_me),
                (BusinessId::parse(&*text).map(|id| id.to_string()), plain(b"")),
                (FamilyId::parse(&*text).map(|id| id.to_string()), plain(b"")),
                (ClientId::parse(&*text).map(|id| id.to_string()), plain(b".")),
            ] {
                prop_assert_eq!(read.ok(), expected.then(|| text.clone()));
            }
        }

        #[test]
        fn generated_ids_are_24_digits_and_parse(bytes: [u8; 12]) {
            let id = ContactId::from_random(bytes);
            prop_assert_eq!(id.as_str().len(), 24);
            prop_assert_eq!(ContactId::parse(id.as_str()), Ok(id));
        }
    }
}
