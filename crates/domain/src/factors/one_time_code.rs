use std::fmt;

use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

/// The number of possible codes: six decimal digits, the minimum of NIST SP 800-63B section 3.1.3.2.
const CODES: u128 = 1_000_000;

/// The largest multiple of [`CODES`] within 128 bits. A draw from here on is rejected, because its remainder would make
/// some codes likelier than others.
const REJECTED_FROM: u128 = u128::MAX - u128::MAX % CODES;

/// A one-time code in the form that its user types: six decimal digits (NIST SP 800-63B section 3.1.3.2). `{:?}` does
/// not show it.
#[derive(Clone)]
pub struct OneTimeCode(Zeroizing<String>);

impl OneTimeCode {
    /// Draws a code uniformly, by rejection sampling, from unpredictable bits. Leading zeros are kept.
    pub fn draw(mut random: impl FnMut() -> [u8; 16]) -> Self {
        loop {
            let number = u128::from_le_bytes(random());
            if number < REJECTED_FROM {
                return Self(Zeroizing::new(format!("{:06}", number % CODES)));
            }
        }
    }

    /// Returns the six digits for the message and the digester; they must not reach a log.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for OneTimeCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OneTimeCode")
    }
}

/// The id of one sending of a code: 128 random bits as 32 hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChallengeId(String);

impl ChallengeId {
    /// Returns the id with these bits.
    pub fn from_random(bytes: [u8; 16]) -> Self {
        Self(crate::hex::encode(&bytes))
    }

    /// Parses an id; `None` for any text that is not 32 lower-case hexadecimal digits.
    pub fn parse(text: &str) -> Option<Self> {
        crate::hex::decode::<16>(text).map(Self::from_random)
    }

    /// Returns the text form that responses and answers use.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The keyed digest of a code, which the store holds instead of the code. Compared in constant time.
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
    fn a_biased_draw_is_rejected() {
        assert_eq!(REJECTED_FROM % CODES, 0);
        let mut draws = [u128::MAX, REJECTED_FROM, REJECTED_FROM - 1]
            .map(u128::to_le_bytes)
            .into_iter();
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
            prop_assume!(u128::from_le_bytes(bytes) < REJECTED_FROM);
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
