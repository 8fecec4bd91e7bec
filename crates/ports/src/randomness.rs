use domain::ids::EventId;
use domain::time::Timestamp;

/// Unpredictable bits from the operating system's generator, and ids that contain them. Synchronous. Results never
/// repeat.
pub trait Randomness: Send + Sync {
    /// Returns 96 bits for an id, which has 24 hexadecimal digits like those of the documented API.
    fn object_id(&self) -> [u8; 12];

    /// Returns 128 bits for a nonce or a salt.
    fn nonce(&self) -> [u8; 16];

    /// Returns 256 bits for a bearer secret.
    fn secret(&self) -> [u8; 32];

    /// Returns a UUID of version 7 (RFC 9562 section 5.7) whose time is `at`.
    fn event_id(&self, at: Timestamp) -> EventId;
}
