use std::sync::Arc;

use adapter_crypto::{KeyRing, VerificationKeys};
use ports::{KeySetSource, Readiness};

/// The keys of a process.
#[derive(Clone)]
pub struct Keys {
    /// The private keys; `None` in a process that only verifies.
    pub(crate) signing: Option<Arc<KeyRing>>,
    pub(crate) verification: Arc<dyn VerificationKeys>,
    /// The source to refresh when a token names an unknown key.
    pub(crate) on_demand: Arc<dyn KeySetSource>,
    /// The source for the refresh loop. A remote key set fetches only when its own interval is over.
    pub(crate) periodic: Arc<dyn KeySetSource>,
    /// The readiness check of a remote key set.
    pub(crate) readiness: Option<Arc<dyn Readiness>>,
}

impl Keys {
    /// Returns private keys in a directory, which sign and verify.
    pub(crate) fn of_directory(ring: Arc<KeyRing>) -> Self {
        Self {
            signing: Some(ring.clone()),
            verification: ring.clone(),
            on_demand: ring.clone(),
            periodic: ring,
            readiness: None,
        }
    }
}
