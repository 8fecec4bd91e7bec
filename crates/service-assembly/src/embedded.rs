use std::sync::Arc;
use std::time::Duration;

use adapter_crypto::KeyRing;
use ports::{AuditTrail, Clock};
use service_runtime::{CommandError, Loaded};

use crate::data_folder::DataFolder;
use crate::keys::Keys;
use crate::platform::Platform;
use crate::settings::ProcessSettings;
use crate::wiring::Secrets;

/// The lease of a claimed outbox. It can be shorter than the lease of the services: the embedded log needs no network,
/// and no second relay competes for the claims.
const RELAY_LEASE: Duration = Duration::from_secs(5);

impl DataFolder {
    /// Opens the store and the keys. Fails if another server uses the folder.
    pub fn platform(
        &self,
        loaded: &Loaded,
        clock: Arc<dyn Clock>,
        audit: Arc<dyn AuditTrail>,
    ) -> Result<Platform, CommandError> {
        let lock = self.serve_lock()?;
        let settings = ProcessSettings::read(loaded).map_err(CommandError::context("the settings are invalid"))?;
        let opened = self.store(settings.http.threads())?;
        let ring = KeyRing::open(self.keys(), settings.tokens.longest_access_token_lifetime);
        let ring = ring.map_err(CommandError::context("the signing keys cannot be read"))?;
        Ok(Platform {
            stores: opened.stores,
            event_publisher: opened.event_publisher,
            event_log: Some(opened.event_log),
            keys: Keys::of_directory(Arc::new(ring)),
            secrets: Secrets::Generated(self.secrets()),
            outgoing_codes: Some(self.outgoing_codes()),
            // Only one server at a time uses a folder. With a fixed name, a server that restarts after a crash still
            // owns its claims, and publishes without waiting for the leases to expire.
            relay_owner: "authme-serve".to_owned(),
            relay_lease: RELAY_LEASE,
            clock,
            audit,
            lock: Some(lock),
        })
    }
}
