//! Connects the ports of the three contexts to their adapters.

use std::sync::Arc;
use std::time::Duration;

use adapter_crypto::{
    CachingTokenVerifier, HmacCodeDigester, HmacRefreshTokenCodec, KeyRing, Rs512Signer, Sha256, SystemRandomness,
    TokenProfile, read_or_create_secret,
};
use adapter_delivery::DeliverySettings;
use adapter_http::{Api, ApiSettings, Authenticator, Management, TrustedProxies};
use adapter_sqlite::EmbeddedStore;
use ports::{AuditTrail, Clock, Runtime};
use service_runtime::{CachedClients, Loops, PrometheusTelemetry, Stop};
use stored_forms::all_aggregates;
use use_cases::credential_lock::{CredentialLockPorts, CredentialLockUseCases};
use use_cases::factors::{FactorsPorts, FactorsUseCases};
use use_cases::sessions::{Issuance, SessionPorts};
use use_cases::tokens::{TokensCrypto, TokensPorts, TokensUseCases};
use use_cases::{AdmitCaller, FollowEvents, RelayOutboxes};

use crate::{CommandError, DataFolder, Settings};

/// The lease of a claimed outbox. It can be shorter than the lease of the services: the embedded log
/// needs no network, and no second relay competes for the claims.
const RELAY_LEASE: Duration = Duration::from_secs(5);

/// The time limit of a shutdown for requests in flight. A request is cut off after 2.8 s, so this only bounds slow
/// request bodies and slow readers.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(8);

/// The inputs of an app. Tests replace some of them, such as the clock.
pub struct AppParts {
    pub data: DataFolder,
    pub settings: Settings,
    pub delivery: DeliverySettings,
    pub clock: Arc<dyn Clock>,
    pub audit: Arc<dyn AuditTrail>,
}

/// The wired app: what to serve, and the stores and keys that its loops use.
pub struct App {
    pub api: Api,
    pub api_settings: ApiSettings,
    pub management: Management,
    pub store: EmbeddedStore,
    pub stop: Stop,
    clock: Arc<dyn Clock>,
    keys: Arc<KeyRing>,
    telemetry: Arc<PrometheusTelemetry>,
}

/// The adapters that several contexts share.
struct SharedAdapters {
    opened: EmbeddedStore,
    runtime: Runtime,
    telemetry: Arc<PrometheusTelemetry>,
    keys: Arc<KeyRing>,
    profile: TokenProfile,
}

impl AppParts {
    /// Opens the store and the keys, creates them if they do not exist, and wires the three contexts. Has to be called
    /// on the Tokio runtime on which codes are sent.
    pub fn wire(self) -> Result<App, CommandError> {
        let workers = self.settings.http.threads();
        let telemetry = PrometheusTelemetry::new().map_err(CommandError::context("the metrics cannot be set up"))?;
        let telemetry = Arc::new(telemetry);
        let mut opened = self.data.store(workers)?;
        opened.stores.clients = Arc::new(CachedClients::new(opened.stores.clients));
        let shared = SharedAdapters {
            opened,
            runtime: Runtime {
                clock: self.clock.clone(),
                randomness: Arc::new(SystemRandomness),
                telemetry: telemetry.clone(),
                audit: self.audit.clone(),
            },
            telemetry,
            keys: self.key_ring()?,
            profile: self.settings.accepted_tokens.profile()?,
        };
        let (stores, runtime) = (&shared.opened.stores, &shared.runtime);
        let tokens = self.tokens(&shared)?;
        let credential_lock = CredentialLockUseCases::new(&CredentialLockPorts::new(stores, runtime));
        let factors = FactorsUseCases::new(&self.factors_ports(&shared)?, &self.settings.codes.use_cases());
        let stop = Stop::default();
        let verifier = Arc::new(CachingTokenVerifier::new(shared.keys.clone(), shared.profile.clone()));
        let api = Api {
            tokens: Some(Arc::new(tokens)),
            factors: Some(Arc::new(factors)),
            credential_lock: Some(Arc::new(credential_lock)),
            follow_events: Some(Arc::new(FollowEvents::new(shared.opened.event_log.clone()))),
            authenticator: Authenticator {
                verifier,
                keys: shared.keys.clone(),
                clock: self.clock.clone(),
                admit_caller: AdmitCaller::new(stores, self.clock.clone()),
            },
            telemetry: shared.telemetry.clone(),
            randomness: Arc::new(SystemRandomness),
            audit: self.audit.clone(),
            stopping: stop.subscribe(),
        };
        let metrics = shared.telemetry.clone();
        let management = Management {
            checks: vec![stores.upkeep.readiness()],
            is_stopping: stop.flag(),
            metrics: Arc::new(move || metrics.render()),
        };
        Ok(App {
            api,
            api_settings: self.api_settings()?,
            management,
            store: shared.opened,
            stop,
            clock: self.clock,
            keys: shared.keys,
            telemetry: shared.telemetry,
        })
    }

    fn key_ring(&self) -> Result<Arc<KeyRing>, CommandError> {
        let directory = self.data.keys();
        directory
            .ensure_key(self.clock.now())
            .map_err(CommandError::context("the first signing key cannot be created"))?;
        let ring = KeyRing::open(directory, self.settings.accepted_tokens.longest_access_token_lifetime);
        Ok(Arc::new(
            ring.map_err(CommandError::context("the signing keys cannot be read"))?,
        ))
    }

    fn tokens(&self, shared: &SharedAdapters) -> Result<TokensUseCases, CommandError> {
        let sessions = self.session_ports(shared)?;
        let issuance = Issuance::new(&sessions, &self.settings.issuer.tokens.sessions());
        let crypto = TokensCrypto {
            key_set: shared.keys.key_set(self.clock.clone()),
            client_secrets: Arc::new(Sha256),
            hasher: Arc::new(Sha256),
        };
        let ports = TokensPorts::new(&shared.opened.stores, &shared.runtime, sessions, crypto);
        Ok(TokensUseCases::new(
            &ports,
            &issuance,
            &self.settings.issuer.use_cases(),
        ))
    }

    fn session_ports(&self, shared: &SharedAdapters) -> Result<SessionPorts, CommandError> {
        let secrets = read_or_create_secret(&self.data.refresh_secret());
        let secrets = secrets.map_err(CommandError::context("the key of refresh tokens cannot be read"))?;
        let refresh_token_codec = HmacRefreshTokenCodec::new(&secrets)
            .ok_or_else(|| CommandError::msg("the file of refresh token keys contains no key"))?;
        let telemetry = shared.runtime.telemetry.clone();
        let signer = Rs512Signer::new(shared.keys.clone(), shared.profile.clone(), telemetry);
        Ok(SessionPorts::new(
            &shared.opened.stores,
            &shared.runtime,
            Arc::new(signer),
            Arc::new(refresh_token_codec),
        ))
    }

    fn factors_ports(&self, shared: &SharedAdapters) -> Result<FactorsPorts, CommandError> {
        let secrets = read_or_create_secret(&self.data.codes_secret());
        let secrets = secrets.map_err(CommandError::context("the key of one-time codes cannot be read"))?;
        let code_digester = HmacCodeDigester::new(&secrets)
            .ok_or_else(|| CommandError::msg("the file of one-time code keys contains no key"))?;
        let delivery = adapter_delivery::open(self.delivery.clone());
        let delivery = delivery.map_err(CommandError::context("the delivery of codes cannot be set up"))?;
        Ok(FactorsPorts::new(
            &shared.opened.stores,
            &shared.runtime,
            Arc::new(code_digester),
            Arc::new(delivery),
        ))
    }

    fn api_settings(&self) -> Result<ApiSettings, CommandError> {
        let (http, issuer) = (&self.settings.http, &self.settings.issuer);
        let invalid_network = |text| {
            CommandError::msg(format!(
                "`http.trusted_proxies` contains `{text}`, which is neither a network nor an address"
            ))
        };
        Ok(ApiSettings {
            trusted_proxies: TrustedProxies::parse(&http.trusted_proxies).map_err(invalid_network)?,
            http: http.clone(),
            limits: self.settings.limits,
            key_set_cache_time: issuer.keys.cache_time,
            shutdown_timeout: SHUTDOWN_TIMEOUT,
            accepts_query_tokens: issuer.tokens.accepts_query_tokens,
            login_guard: issuer.login,
        })
    }
}

impl App {
    /// Starts the relay, the key refresh, the purge and the metrics.
    pub fn start_loops(&self) -> Loops {
        let mut loops = Loops::default();
        let upkeep = &self.store.stores.upkeep;
        let outboxes = upkeep.outboxes(&all_aggregates());
        loops.relay(self.relay(), outboxes.clone());
        loops.refresh_keys(self.keys.clone());
        loops.purge_expired(upkeep.expired_records(&all_aggregates()), self.clock.clone());
        loops.collect_metrics(self.telemetry.clone(), outboxes, self.clock.clone());
        loops
    }

    /// Creates a relay from the outboxes to the embedded event log.
    pub fn relay(&self) -> RelayOutboxes {
        // Only one server at a time uses a folder. With a fixed name, a server that restarts after a crash still
        // owns its claims, and publishes without waiting for the leases to expire.
        let owner = "authme-serve".to_owned();
        RelayOutboxes::new(
            self.store.stores.upkeep.outboxes(&all_aggregates()),
            self.store.event_publisher.clone(),
            self.clock.clone(),
            owner,
            RELAY_LEASE,
        )
    }
}
