use domain::ids::EventId;
use domain::time::Timestamp;

/// Unpredictable bits from the operating system's generator, and ids made of them. Synchronous; never repeats.
pub trait Randomness: Send + Sync {
    /// 96 bits, the size of the documented ids.
    fn object_id(&self) -> [u8; 12];

    /// 128 bits, for nonces and salts.
    fn nonce(&self) -> [u8; 16];

    /// 256 bits, for secrets that stand alone.
    fn secret(&self) -> [u8; 32];

    /// A UUID of version 7 (RFC 9562 section 5.7) whose time is `at`.
    fn event_id(&self, at: Timestamp) -> EventId;
}
