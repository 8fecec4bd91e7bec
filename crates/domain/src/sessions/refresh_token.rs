use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use crate::ids::FamilyId;

/// The 128 random bits of a refresh token, too many to guess. `{:?}` does not show them.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Nonce(pub [u8; 16]);

impl std::fmt::Debug for Nonce {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Nonce")
    }
}

/// A text that does not have the form of a refresh token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a refresh token")]
pub struct MalformedRefreshToken;

/// The content of a refresh token (`docs/protocols.md` "Refresh token").
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefreshToken {
    /// The session, under which the token is found in the store.
    pub family: FamilyId,
    /// The number of the token within its family, counted from 1.
    pub generation: u64,
    /// Compared with the nonces of the family in constant time.
    pub nonce: Nonce,
}

impl RefreshToken {
    /// Returns the part of the wire form that the MAC is computed over: `rt_<family>.<generation>.<key id>.<nonce>`.
    pub fn authenticated_part(&self, key_id: &str) -> Zeroizing<String> {
        Zeroizing::new(format!(
            "rt_{}.{}.{key_id}.{}",
            self.family,
            self.generation,
            crate::hex::encode(&self.nonce.0)
        ))
    }
}

/// A parsed wire form `rt_<family>.<generation>.<key id>.<nonce>.<mac>`, whose MAC has yet to be verified. It has no
/// `Debug`.
pub struct SignedRefreshToken<'a> {
    token: RefreshToken,
    key_id: &'a str,
    authenticated_part: &'a str,
    mac: [u8; 32],
}

impl<'a> SignedRefreshToken<'a> {
    /// Returns whether `text` has the prefix of refresh tokens, so that introspection and revocation treat it as one.
    pub fn is_refresh_token(text: &str) -> bool {
        text.starts_with("rt_")
    }

    /// Parses the wire form. A token has one spelling, so any other text for the same content is rejected, such as a
    /// generation with a leading zero or a nonce in upper case.
    ///
    /// # Errors
    ///
    /// Returns [`MalformedRefreshToken`] for any other text.
    pub fn parse(text: &'a str) -> Result<Self, MalformedRefreshToken> {
        let (authenticated_part, mac) = text.rsplit_once('.').ok_or(MalformedRefreshToken)?;
        let mut parts = authenticated_part
            .strip_prefix("rt_")
            .ok_or(MalformedRefreshToken)?
            .split('.');
        let (Some(family), Some(generation), Some(key_id), Some(nonce), None) =
            (parts.next(), parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(MalformedRefreshToken);
        };
        let number: u64 = generation.parse().map_err(|_| MalformedRefreshToken)?;
        if number.to_string() != generation {
            return Err(MalformedRefreshToken);
        }
        let token = RefreshToken {
            family: FamilyId::parse(family).map_err(|_| MalformedRefreshToken)?,
            generation: number,
            nonce: Nonce(crate::hex::decode(nonce).ok_or(MalformedRefreshToken)?),
        };
        let mac = crate::hex::decode(mac).ok_or(MalformedRefreshToken)?;
        Ok(Self {
            token,
            key_id,
            authenticated_part,
            mac,
        })
    }

    /// Returns the id of the key that the MAC must be verified with.
    pub fn key_id(&self) -> &str {
        self.key_id
    }

    /// Returns the text that the MAC is computed over.
    pub fn authenticated_part(&self) -> &str {
        self.authenticated_part
    }

    /// Returns the content of the token if its MAC equals `expected_mac`, compared in constant time; otherwise `None`.
    pub fn verify(self, expected_mac: &[u8]) -> Option<RefreshToken> {
        bool::from(self.mac.as_slice().ct_eq(expected_mac)).then_some(self.token)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_wire_form_is_url_unreserved_and_reads_back() {
        let token = RefreshToken {
            family: FamilyId::from_random([7; 12]),
            generation: 3,
            nonce: Nonce([9; 16]),
        };
        let text = format!("{}.{}", &*token.authenticated_part("k1"), crate::hex::encode(&[1; 32]));
        assert!(
            text.chars().all(|c| c.is_ascii_alphanumeric() || "-._~".contains(c)),
            "{text}"
        );
        let signed = SignedRefreshToken::parse(&text).unwrap();
        assert_eq!(signed.key_id(), "k1");
        assert_eq!(signed.verify(&[1; 32]), Some(token));
        assert_eq!(SignedRefreshToken::parse(&text).unwrap().verify(&[2; 32]), None);
    }

    #[test]
    fn a_second_spelling_of_a_token_is_refused() {
        let token = RefreshToken {
            family: FamilyId::from_random([7; 12]),
            generation: 3,
            nonce: Nonce([9; 16]),
        };
        let text = format!("{}.{}", &*token.authenticated_part("k1"), crate::hex::encode(&[1; 32]));
        for other in [
            text.replace(".3.", ".03."),
            text.replace(".3.", ".+3."),
            text.to_uppercase(),
            format!("{text}."),
            text.replace("rt_", "RT_"),
        ] {
            assert!(SignedRefreshToken::parse(&other).is_err(), "{other}");
        }
    }

    #[test]
    fn parse_rejects_a_mebibyte() {
        for part in ["a", "a.", "."] {
            let long = format!("rt_{}", part.repeat(1 << 20));
            assert!(SignedRefreshToken::parse(&long).is_err());
        }
    }

    /// Generates text that often is a token.
    fn nearly_a_token() -> impl Strategy<Value = String> {
        let generation = "(0|[1-9][0-9]{0,20}|[+0-9]{1,4})";
        let token =
            format!("rt_[a-z0-9_-]{{1,24}}\\.{generation}\\.[\\PC&&[^.]]{{0,9}}\\.[0-9a-f]{{32}}\\.[0-9a-f]{{64}}");
        prop_oneof!["(rt_)?[\\PC.]{0,200}", prop::string::string_regex(&token).unwrap()]
    }

    proptest! {
        #[test]
        fn a_parsed_token_spells_the_same_text(text in nearly_a_token()) {
            if let Ok(signed) = SignedRefreshToken::parse(&text) {
                let (mac, key_id) = (signed.mac, signed.key_id());
                let part = signed.authenticated_part();
                prop_assert_eq!(&format!("{part}.{}", crate::hex::encode(&mac)), &text);
                prop_assert_eq!(&*signed.token.authenticated_part(key_id), part);
                prop_assert!(signed.verify(&mac).is_some());
            }
        }
    }
}
