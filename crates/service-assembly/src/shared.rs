use std::sync::Arc;

use adapter_crypto::{KeyRing, SystemRandomness, TokenProfile, TokenType};
use adapter_mongodb::Stores;
use ports::{AuditTrail, Clock, Randomness};
use service_runtime::{
    AuditLog, Binary, CommandError, Loaded, PrometheusTelemetry, RememberedClients, ServiceSettings, SystemClock,
};

use use_cases::ActiveCheckPorts;

use crate::keys::{KeyPurpose, Keys};

/// What a context is wired from.
pub struct Shared {
    /// Clients are remembered for a moment.
    pub stores: Stores,
    pub clock: Arc<dyn Clock>,
    pub randomness: Arc<dyn Randomness>,
    pub telemetry: Arc<PrometheusTelemetry>,
    /// On the log stream.
    pub audit: Arc<dyn AuditTrail>,
    pub profile: TokenProfile,
    /// For what only one service reads.
    pub settings: Loaded,
    pub(crate) keys: Keys,
}

impl Shared {
    pub(crate) fn new(
        binary: Binary,
        loaded: Loaded,
        settings: &ServiceSettings,
        mut stores: Stores,
    ) -> Result<Self, CommandError> {
        stores.clients = Arc::new(RememberedClients::new(stores.clients));
        let telemetry = PrometheusTelemetry::new().map_err(CommandError::context("the metrics cannot be started"))?;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let use_of_keys = KeyPurpose {
            signs: binary == Binary::Tokens,
            longest_token_life: settings.tokens.longest_access_token_lifetime,
            clock: clock.clone(),
        };
        Ok(Self {
            stores,
            keys: Keys::open(&settings.keys, &use_of_keys)?,
            clock,
            randomness: Arc::new(SystemRandomness),
            telemetry: Arc::new(telemetry),
            audit: Arc::new(AuditLog::on_stream()),
            profile: profile(settings)?,
            settings: loaded,
        })
    }

    /// What a look at a caller's token reads.
    pub(crate) fn active_check_ports(&self) -> ActiveCheckPorts {
        ActiveCheckPorts {
            clients: self.stores.clients.clone(),
            identities: self.stores.identities.clone(),
            lock_statuses: self.stores.lock_statuses.clone(),
            refresh_families: self.stores.refresh_families.clone(),
            clock: self.clock.clone(),
        }
    }

    /// The keys that sign. A service that verifies with the key set of another has none.
    pub fn signing_keys(&self) -> Result<Arc<KeyRing>, CommandError> {
        match &self.keys {
            Keys::Directory(ring) if ring.signing_key(self.clock.now()).is_some() => Ok(ring.clone()),
            _ => Err(CommandError::msg(
                "`keys.directory` holds no key that signs now: `authme keys list` shows from when each does",
            )),
        }
    }
}

fn profile(settings: &ServiceSettings) -> Result<TokenProfile, CommandError> {
    let tokens = &settings.tokens;
    let token_type =
        TokenType::parse(&tokens.typ).ok_or_else(|| CommandError::msg("`tokens.typ` must be at+jwt, JWT or none"))?;
    Ok(TokenProfile {
        issuer: tokens.issuer.clone(),
        audience: tokens.audience.clone(),
        token_type,
        longest_life: tokens.longest_access_token_lifetime,
    })
}
