use std::sync::Arc;

use domain::caller::VerifiedToken;

/// The token that an introspection or revocation is about, as far as it is known without a store. It has no `Debug`, so
/// that no log shows it.
#[derive(Clone)]
pub enum InspectedToken {
    /// An access token with a valid signature, issuer, audience and times.
    Access(Arc<VerifiedToken>),
    /// Any other text: a refresh token, an expired access token, or no token at all.
    Other(String),
}
