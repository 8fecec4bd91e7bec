use std::fmt;

use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

/// How many codes there are: six decimal digits.
const CODES: u128 = 1_000_000;

/// Draws from here on would make some codes likelier than others, and are drawn anew.
const UNFAIR: u128 = u128::MAX - u128::MAX % CODES;

/// A one-time code as its user reads it: six decimal digits (NIST SP 800-63B section 3.1.3.2). It prints nothing.
#[derive(Clone)]
pub struct OneTimeCode(Zeroizing<String>);

impl OneTimeCode {
    /// A code drawn uniformly, by rejection, from bits that nobody can predict. Leading zeros are kept.
    pub fn draw(mut random: impl FnMut() -> [u8; 16]) -> Self {
        loop {
            let drawn = u128::from_le_bytes(random());
            if drawn < UNFAIR {
                return Self(Zeroizing::new(format!("{:06}", drawn % CODES)));
            }
        }
    }

    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for OneTimeCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OneTimeCode")
    }
}

/// Names one sending of a code: 128 random bits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChallengeId(String);

impl ChallengeId {
    pub fn from_random(bytes: [u8; 16]) -> Self {
        Self(crate::hex::encode(&bytes))
    }

    /// Reads an id; `None` for a text that never was one.
    pub fn parse(text: &str) -> Option<Self> {
        crate::hex::decode::<16>(text).map(Self::from_random)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A keyed digest of a code: what the store has in its place. Compared in constant time.
#[derive(Clone, Copy)]
pub struct CodeDigest(pub [u8; 32]);

impl PartialEq for CodeDigest {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for CodeDigest {}

impl fmt::Debug for CodeDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CodeDigest")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn leading_zeros_are_kept() {
        let drawn = |number: u128| OneTimeCode::draw(|| number.to_le_bytes()).reveal().to_owned();
        assert_eq!(drawn(0), "000000");
        assert_eq!(drawn(42), "000042");
        assert_eq!(drawn(1_000_007), "000007");
    }

    #[test]
    fn a_draw_that_would_favour_a_code_is_drawn_anew() {
        assert_eq!(UNFAIR % CODES, 0);
        let mut draws = [u128::MAX, UNFAIR, UNFAIR - 1].map(u128::to_le_bytes).into_iter();
        assert_eq!(OneTimeCode::draw(|| draws.next().unwrap()).reveal(), "999999");
        assert!(draws.next().is_none());
    }

    #[test]
    fn a_code_and_its_digest_print_nothing() {
        let code = OneTimeCode::draw(|| [0; 16]);
        assert_eq!(format!("{code:?} {:?}", CodeDigest([7; 32])), "OneTimeCode CodeDigest");
    }

    proptest! {
        #[test]
        fn every_draw_is_six_digits(bytes: [u8; 16]) {
            prop_assume!(u128::from_le_bytes(bytes) < UNFAIR);
            let code = OneTimeCode::draw(|| bytes);
            prop_assert_eq!(code.reveal().len(), 6);
            prop_assert!(code.reveal().bytes().all(|digit| digit.is_ascii_digit()));
        }

        #[test]
        fn a_challenge_has_one_spelling(text in "\\PC{0,40}", bytes: [u8; 16]) {
            prop_assert!(ChallengeId::parse(&text).is_none_or(|id| id.as_str() == text));
            let id = ChallengeId::from_random(bytes);
            prop_assert_eq!(ChallengeId::parse(id.as_str()), Some(id));
        }
    }
}
