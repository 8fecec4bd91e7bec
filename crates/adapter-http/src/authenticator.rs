use std::sync::Arc;

use domain::caller::VerifiedToken;
use ports::{Clock, KeySetSource, TokenVerificationError, TokenVerifier};
use use_cases::AdmitCaller;

/// The ports that authenticate and admit a caller.
#[derive(Clone)]
pub struct Authenticator {
    pub verifier: Arc<dyn TokenVerifier>,
    pub keys: Arc<dyn KeySetSource>,
    pub clock: Arc<dyn Clock>,
    pub admit_caller: AdmitCaller,
}

impl Authenticator {
    /// Verifies a token. If its key is unknown or there is no usable key set, fetches the key set and verifies the
    /// token a second and last time: the key may be new, or the key set reachable again.
    pub(crate) async fn authenticate(&self, token: &str) -> Result<Arc<VerifiedToken>, TokenVerificationError> {
        match self.verifier.verify(token, self.clock.now()) {
            Err(TokenVerificationError::UnknownKey | TokenVerificationError::KeysUnavailable) => {
                self.keys.refresh().await;
                self.verifier.verify(token, self.clock.now())
            }
            result => result,
        }
    }
}
