use domain::tokens::AccessToken;

/// No token could be signed: there is no key, or the library refused.
#[derive(Debug, thiserror::Error)]
#[error("no access token could be signed: {0}")]
pub struct SigningError(pub &'static str);

/// Signs access tokens (RS512, RFC 7518 section 3.3). Synchronous: a quarter of a millisecond of computation.
/// Only the mint gate holds one.
pub trait TokenSigner: Send + Sync {
    /// The JWT in compact form.
    fn sign(&self, token: &AccessToken) -> Result<String, SigningError>;
}
