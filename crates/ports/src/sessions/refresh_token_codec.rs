use domain::sessions::RefreshToken;

/// Encodes and verifies refresh tokens with a MAC, whose key is not in the store (`docs/protocols.md` "Refresh token").
/// Synchronous.
pub trait RefreshTokenCodec: Send + Sync {
    /// Returns the wire form of a token. While the key is the same, a token always has the same form, so a successor
    /// can be returned again.
    fn encode(&self, token: &RefreshToken) -> String;

    /// Verifies a wire form and returns its content; `None` for a malformed text, an unknown key or a wrong MAC, which
    /// the result does not distinguish.
    fn verify(&self, text: &str) -> Option<RefreshToken>;
}
