use aws_lc_rs::rand;
use domain::ids::EventId;
use domain::time::Timestamp;
use ports::Randomness;

/// The operating system's generator, through aws-lc.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemRandomness;

impl SystemRandomness {
    fn bytes<const N: usize>() -> [u8; N] {
        let mut bytes = [0; N];
        #[expect(clippy::disallowed_methods, reason = "this is the Randomness port")]
        #[expect(clippy::expect_used, reason = "without random bits nothing here may go on")]
        rand::fill(&mut bytes).expect("the operating system gives random bits");
        bytes
    }
}

impl Randomness for SystemRandomness {
    fn object_id(&self) -> [u8; 12] {
        Self::bytes()
    }

    fn nonce(&self) -> [u8; 16] {
        Self::bytes()
    }

    fn secret(&self) -> [u8; 32] {
        Self::bytes()
    }

    fn event_id(&self, at: Timestamp) -> EventId {
        let millis = u64::try_from(at.as_millisecond()).unwrap_or(0);
        let id = uuid::Builder::from_unix_timestamp_millis(millis, &Self::bytes()).into_uuid();
        EventId(id.hyphenated().to_string())
    }
}
