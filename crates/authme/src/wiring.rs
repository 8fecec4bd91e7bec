//! Connects the ports of the three contexts to their adapters.

use std::sync::Arc;
use std::time::Duration;

use adapter_crypto::{
    CachingTokenVerifier, HmacCodeDigester, HmacRefreshTokenCodec, KeyRing, Rs512Signer, Sha256, SystemRandomness,
    TokenProfile, TokenType, read_or_create_secret,
};
use adapter_delivery::DeliverySettings;
use adapter_http::{
    Api, ApiSettings, Authenticator, ConnectionSettings, LoginGuardSettings, Management, RequestLimitSettings,
    TrustedProxies,
};
use adapter_sqlite::Stores;
use ports::{AuditTrail, Clock};
use service_runtime::{CachedClients, Loops, PrometheusTelemetry, Settings, Stop};
use use_cases::credential_lock::{CredentialLockPorts, CredentialLockUseCases};
use use_cases::factors::{FactorsPorts, FactorsUseCases};
use use_cases::tokens::{TokensPorts, TokensUseCases};
use use_cases::{AdmitCaller, FollowEvents, RelayOutboxes};

use crate::{CommandError, DataFolder};

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
    /// The `iss` of access tokens.
    pub issuer: String,
    pub delivery: DeliverySettings,
    pub clock: Arc<dyn Clock>,
    pub audit: Arc<dyn AuditTrail>,
}

/// The wired app: what to serve, and the stores and keys that its loops use.
pub struct App {
    pub api: Api,
    pub api_settings: ApiSettings,
    pub management: Management,
    pub stores: Stores,
    pub stop: Stop,
    clock: Arc<dyn Clock>,
    keys: Arc<KeyRing>,
    telemetry: Arc<PrometheusTelemetry>,
}

/// The adapters that several contexts share.
struct SharedAdapters {
    stores: Stores,
    clock: Arc<dyn Clock>,
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
        let mut stores = self.data.stores(workers)?;
        stores.clients = Arc::new(CachedClients::new(stores.clients));
        let shared = SharedAdapters {
            stores,
            clock: self.clock.clone(),
            telemetry: Arc::new(telemetry),
            keys: self.key_ring()?,
            profile: self.token_profile()?,
        };
        let lifetimes = self.settings.tokens.lifetimes(&self.settings.saml);
        let tokens_ports = self.tokens_ports(&shared)?;
        let tokens = TokensUseCases::new(&tokens_ports, &lifetimes);
        let factors = FactorsUseCases::new(&self.factors_ports(&shared)?, &self.settings.codes.limits());
        let stop = Stop::default();
        let verifier = Arc::new(CachingTokenVerifier::new(shared.keys.clone(), shared.profile.clone()));
        let api = Api {
            tokens: Some(Arc::new(tokens)),
            factors: Some(Arc::new(factors)),
            credential_lock: Some(Arc::new(CredentialLockUseCases::new(&shared.credential_lock_ports()))),
            follow_events: Some(Arc::new(FollowEvents::new(shared.stores.event_log.clone()))),
            authenticator: Authenticator {
                verifier,
                keys: shared.keys.clone(),
                clock: shared.clock.clone(),
                admit_caller: AdmitCaller::new((&tokens_ports).into(), shared.stores.groups.clone()),
            },
            telemetry: shared.telemetry.clone(),
            randomness: Arc::new(SystemRandomness),
            audit: self.audit.clone(),
            stopping: stop.subscribe(),
        };
        let metrics = shared.telemetry.clone();
        let management = Management {
            checks: vec![shared.stores.readiness.clone()],
            is_stopping: stop.flag(),
            metrics: Arc::new(move || metrics.render()),
        };
        let SharedAdapters {
            stores,
            clock,
            telemetry,
            keys,
            ..
        } = shared;
        Ok(App {
            api,
            api_settings: self.api_settings(workers)?,
            management,
            stores,
            stop,
            clock,
            keys,
            telemetry,
        })
    }

    fn key_ring(&self) -> Result<Arc<KeyRing>, CommandError> {
        let directory = self.data.keys();
        directory
            .ensure_key(self.clock.now())
            .map_err(CommandError::context("the first signing key cannot be created"))?;
        let ring = KeyRing::open(directory, self.settings.tokens.longest_access_token_lifetime);
        Ok(Arc::new(
            ring.map_err(CommandError::context("the signing keys cannot be read"))?,
        ))
    }

    fn token_profile(&self) -> Result<TokenProfile, CommandError> {
        let tokens = &self.settings.tokens;
        let token_type = TokenType::parse(&tokens.typ)
            .ok_or_else(|| CommandError::msg("`tokens.typ` must be at+jwt, JWT or none"))?;
        Ok(TokenProfile {
            issuer: self.issuer.clone(),
            audience: tokens.audience.clone(),
            token_type,
            longest_life: tokens.longest_access_token_lifetime,
        })
    }

    fn tokens_ports(&self, shared: &SharedAdapters) -> Result<TokensPorts, CommandError> {
        let secrets = read_or_create_secret(&self.data.refresh_secret());
        let secrets = secrets.map_err(CommandError::context("the key of refresh tokens cannot be read"))?;
        let refresh_token_codec = HmacRefreshTokenCodec::new(&secrets)
            .ok_or_else(|| CommandError::msg("the file of refresh token keys contains no key"))?;
        let signer = Rs512Signer::new(shared.keys.clone(), shared.profile.clone(), shared.telemetry.clone());
        let stores = &shared.stores;
        Ok(TokensPorts {
            clients: stores.clients.clone(),
            identities: stores.identities.clone(),
            groups: stores.groups.clone(),
            lock_statuses: stores.lock_statuses.clone(),
            validation_tokens: stores.validation_tokens.clone(),
            refresh_families: stores.refresh_families.clone(),
            signer: Arc::new(signer),
            key_set: shared.keys.key_set(shared.clock.clone()),
            client_secrets: Arc::new(Sha256),
            hasher: Arc::new(Sha256),
            refresh_token_codec: Arc::new(refresh_token_codec),
            clock: shared.clock.clone(),
            randomness: Arc::new(SystemRandomness),
            telemetry: shared.telemetry.clone(),
            audit: self.audit.clone(),
        })
    }

    fn factors_ports(&self, shared: &SharedAdapters) -> Result<FactorsPorts, CommandError> {
        let secrets = read_or_create_secret(&self.data.codes_secret());
        let secrets = secrets.map_err(CommandError::context("the key of one-time codes cannot be read"))?;
        let code_digester = HmacCodeDigester::new(&secrets)
            .ok_or_else(|| CommandError::msg("the file of one-time code keys contains no key"))?;
        let delivery = adapter_delivery::open(self.delivery.clone());
        let delivery = delivery.map_err(CommandError::context("the delivery of codes cannot be set up"))?;
        let stores = &shared.stores;
        Ok(FactorsPorts {
            factor_sets: stores.factor_sets.clone(),
            send_quotas: stores.send_quotas.clone(),
            clients: stores.clients.clone(),
            code_digester: Arc::new(code_digester),
            delivery: Arc::new(delivery),
            clock: shared.clock.clone(),
            randomness: Arc::new(SystemRandomness),
        })
    }

    fn api_settings(&self, workers: usize) -> Result<ApiSettings, CommandError> {
        let (http, limits) = (&self.settings.http, &self.settings.limits);
        let proxies = TrustedProxies::parse(&http.trusted_proxies);
        let invalid_network = |text| {
            CommandError::msg(format!(
                "`http.trusted_proxies` contains `{text}`, which is neither a network nor an address"
            ))
        };
        Ok(ApiSettings {
            workers,
            trusted_proxies: proxies.map_err(invalid_network)?,
            key_set_cache_time: self.settings.keys.cache_time,
            drain: http.drain,
            shutdown_timeout: SHUTDOWN_TIMEOUT,
            connections: ConnectionSettings {
                write_timeout: http.write_timeout,
                per_peer: http.connections_per_peer,
                total: http.connections(),
            },
            request_limits: RequestLimitSettings {
                per_client: limits.requests_per_client,
                per_user: limits.requests_per_user,
            },
            serves_docs: http.serves_docs,
            accepts_query_tokens: self.settings.tokens.accepts_query_tokens,
            login_guard: LoginGuardSettings {
                failures_per_client: self.settings.login.failures_per_client,
                failures_per_peer: self.settings.login.failures_per_peer,
            },
        })
    }
}

impl SharedAdapters {
    fn credential_lock_ports(&self) -> CredentialLockPorts {
        CredentialLockPorts {
            credential_locks: self.stores.credential_locks.clone(),
            identities: self.stores.identities.clone(),
            clock: self.clock.clone(),
            randomness: Arc::new(SystemRandomness),
            telemetry: self.telemetry.clone(),
        }
    }
}

impl App {
    /// Starts the relay, the key refresh, the purge and the metrics.
    pub fn start_loops(&self) -> Loops {
        let mut loops = Loops::default();
        let outboxes = self.stores.outboxes.clone();
        loops.relay(self.relay(), outboxes.clone());
        loops.refresh_keys(self.keys.clone());
        loops.purge_expired(self.stores.expired_records.clone(), self.clock.clone());
        loops.collect_metrics(self.telemetry.clone(), outboxes, self.clock.clone());
        loops
    }

    /// Creates a relay from the outboxes to the embedded event log.
    pub fn relay(&self) -> RelayOutboxes {
        // Only one server at a time uses a folder. With a fixed name, a server that restarts after a crash still
        // owns its claims, and publishes without waiting for the leases to expire.
        let owner = "authme-serve".to_owned();
        let Stores {
            outboxes,
            event_publisher,
            ..
        } = &self.stores;
        RelayOutboxes::new(
            outboxes.clone(),
            event_publisher.clone(),
            self.clock.clone(),
            owner,
            RELAY_LEASE,
        )
    }
}
