use std::sync::Arc;

use adapter_crypto::{KeyRing, SystemRandomness, TokenProfile};
use ports::{Clock, Runtime, Stores};
use service_runtime::{AuditLog, CachedClients, CommandError, Loaded, PrometheusTelemetry, SystemClock};

use crate::keys::Keys;
use crate::settings::ServiceSettings;

/// The parts that the wiring of each context uses.
pub struct Shared {
    /// The stores, with a cache in front of the clients.
    pub stores: Stores,
    pub runtime: Runtime,
    pub(crate) telemetry: Arc<PrometheusTelemetry>,
    pub profile: TokenProfile,
    /// All settings. The wiring reads the sections that only its service has.
    pub settings: Loaded,
    pub(crate) keys: Keys,
}

impl Shared {
    pub(crate) fn new(loaded: Loaded, settings: &ServiceSettings, mut stores: Stores) -> Result<Self, CommandError> {
        stores.clients = Arc::new(CachedClients::new(stores.clients));
        let telemetry = PrometheusTelemetry::new().map_err(CommandError::context("the metrics cannot be set up"))?;
        let telemetry = Arc::new(telemetry);
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let longest_token_life = settings.tokens.longest_access_token_lifetime;
        Ok(Self {
            stores,
            keys: Keys::open(&settings.keys, &settings.key_set, longest_token_life, &clock)?,
            runtime: Runtime {
                clock,
                randomness: Arc::new(SystemRandomness),
                telemetry: telemetry.clone(),
                audit: Arc::new(AuditLog::on_stderr()),
            },
            telemetry,
            profile: settings.tokens.profile()?,
            settings: loaded,
        })
    }

    /// Returns the signing keys. Fails if the service has a remote key set, or if no key may sign yet.
    pub fn signing_keys(&self) -> Result<Arc<KeyRing>, CommandError> {
        match &self.keys {
            Keys::Directory(ring) if ring.signing_key(self.runtime.clock.now()).is_some() => Ok(ring.clone()),
            _ => Err(CommandError::msg(
                "`keys.directory` contains no key that may sign now: `authme keys list` shows when each key starts to sign",
            )),
        }
    }
}
