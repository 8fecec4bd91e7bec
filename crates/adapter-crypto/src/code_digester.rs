use aws_lc_rs::hmac;
use domain::contact::ContactValue;
use domain::factors::{ChallengeId, CodeDigest, SendQuotaKey};
use ports::factors::CodeDigester;
use zeroize::Zeroizing;

/// Digests one-time codes and destinations with HMAC-SHA-256 (RFC 2104) under a key that is not in the store.
///
/// A plain hash would not protect them. A thief with a copy of the store would find a code of six digits by trying a
/// million codes, and a telephone number about as fast.
pub struct HmacCodeDigester(hmac::Key);

impl HmacCodeDigester {
    /// Uses the first secret as the key. Returns `None` if there is no secret. After a change of the key, codes that
    /// were sent before are rejected, and the quotas of destinations start over. A code is valid for 10 minutes, so one
    /// key is enough.
    pub fn new(secrets: &[Zeroizing<[u8; 32]>]) -> Option<Self> {
        let secret = secrets.first()?;
        Some(Self(hmac::Key::new(hmac::HMAC_SHA256, secret.as_slice())))
    }

    /// Computes the MAC of the parts. `purpose` separates codes from destinations, so the two never have the same
    /// input. Every part but the last has a fixed length, so different lists of parts never have the same input either.
    fn mac(&self, purpose: [u8; 4], parts: &[&str]) -> [u8; 32] {
        let mut context = hmac::Context::with_key(&self.0);
        context.update(&purpose);
        for part in parts {
            context.update(part.as_bytes());
        }
        let mut mac = [0; 32];
        mac.copy_from_slice(context.sign().as_ref());
        mac
    }
}

impl CodeDigester for HmacCodeDigester {
    fn digest(&self, challenge: &ChallengeId, code: &str) -> CodeDigest {
        CodeDigest(self.mac(*b"code", &[challenge.as_str(), code]))
    }

    fn destination(&self, contact: &ContactValue) -> SendQuotaKey {
        SendQuotaKey::destination(&self.mac(*b"dest", &[&contact.comparison_key()]))
    }

    fn destination_digest(&self, contact: &ContactValue) -> [u8; 32] {
        self.mac(*b"dest", &[&contact.destination_key()])
    }
}

#[cfg(test)]
mod tests {
    use domain::contact::Email;

    use super::*;

    fn digester(key: u8) -> HmacCodeDigester {
        HmacCodeDigester::new(&[Zeroizing::new([key; 32])]).unwrap()
    }

    #[test]
    fn a_digest_depends_on_the_key_the_challenge_and_the_code() {
        let [one, two] = [1, 2].map(|byte| ChallengeId::from_random([byte; 16]));
        let digest = digester(1).digest(&one, "000042");
        assert_eq!(digester(1).digest(&one, "000042"), digest);
        for other in [
            digester(2).digest(&one, "000042"),
            digester(1).digest(&two, "000042"),
            digester(1).digest(&one, "000043"),
            digester(1).digest(&one, "42"),
        ] {
            assert_ne!(other, digest);
        }
    }

    #[test]
    fn a_destination_has_one_key_in_any_spelling() {
        let destination = |address: &str| digester(1).destination(&ContactValue::Email(Email::parse(address).unwrap()));
        assert_eq!(destination("Ana@Example.com"), destination("ana@example.com"));
        assert_ne!(destination("ana@example.com"), destination("bia@example.com"));
        assert!(!destination("ana@example.com").as_str().contains("ana"));
        let mailbox = |address: &str| {
            let contact = ContactValue::Email(Email::parse(address).unwrap());
            SendQuotaKey::destination(&digester(1).destination_digest(&contact))
        };
        assert_eq!(mailbox("Ana+1@example.com"), destination("ana@example.com"));
        assert_ne!(mailbox("ana+1@example.com"), mailbox("bia+1@example.com"));
    }

    #[test]
    fn new_without_a_secret_returns_none() {
        assert!(HmacCodeDigester::new(&[]).is_none());
    }
}
