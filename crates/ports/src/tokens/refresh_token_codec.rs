use domain::tokens::RefreshToken;

/// Makes and checks the MAC of refresh tokens, under a key that is not in the store. Synchronous.
pub trait RefreshTokenCodec: Send + Sync {
    /// The wire form of a token. The same token always has the same form while the key is the same, so a successor
    /// can be told again.
    fn encode(&self, token: &RefreshToken) -> String;

    /// The content of a token we sealed; `None` for anything else, whatever is wrong with it.
    fn verify(&self, text: &str) -> Option<RefreshToken>;
}
