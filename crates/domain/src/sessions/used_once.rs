use std::fmt;

/// The purpose of a value that may be used once. Equal values of different purposes are different values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum UsedOncePurpose {
    /// The id of a SAML assertion, with the client that received it.
    SamlAssertion,
}

impl UsedOncePurpose {
    /// Returns the name that the store uses.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SamlAssertion => "saml-assertion",
        }
    }
}

/// The key under which the use of a value is stored: its purpose and its SHA-256. The value itself is not stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct UsedOnceKey {
    /// The purpose of the value.
    pub purpose: UsedOncePurpose,
    /// The SHA-256 of the value.
    pub hash: [u8; 32],
}

/// The stored form: the purpose, a colon, and the hash in 64 hexadecimal digits.
impl fmt::Display for UsedOnceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.purpose.as_str(), crate::hex::encode(&self.hash))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stored_form_names_purpose_and_hash() {
        let key = UsedOnceKey {
            purpose: UsedOncePurpose::SamlAssertion,
            hash: [0xab; 32],
        };
        assert_eq!(key.to_string(), format!("saml-assertion:{}", "ab".repeat(32)));
    }
}
