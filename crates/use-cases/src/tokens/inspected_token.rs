use std::sync::Arc;

use domain::caller::VerifiedToken;

/// A token that a request is about, as far as it is known without a store. It prints nothing.
#[derive(Clone)]
pub enum InspectedToken {
    /// An access token, good by itself: signature, issuer, audience and times.
    Access(Arc<VerifiedToken>),
    /// Any other text: a refresh token, or none of ours, or none any more.
    Other(String),
}
