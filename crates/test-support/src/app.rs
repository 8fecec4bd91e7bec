//! The use cases, wired over a store of their own.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use adapter_crypto::{HmacRefreshTokenCodec, SystemRandomness, read_or_create_secret, tokens_crypto};
use adapter_sqlite::{EmbeddedStore, SqliteSettings};
use domain::caller::{Call, Cause};
use domain::client::Client;
use domain::credential_lock::CredentialLock;
use domain::event::Event;
use domain::factors::FactorSet;
use domain::ids::{FamilyId, UserId};
use domain::sessions::events::SESSION_STARTED;
use domain::sessions::{FamilyStatus, RefreshFamily, RefreshToken};
use domain::time::Timestamp;
use ports::sessions::RefreshTokenCodec;
use ports::{Clock as _, Cursor, EventLog, EventPublisher, Runtime, Stores, VersionedStore};
use tempfile::TempDir;
use use_cases::credential_lock::{CredentialLockUseCases, LockError};
use use_cases::factors::{FactorsPorts, FactorsSettings, FactorsUseCases};
use use_cases::sessions::{Issuance, IssuedTokens, SessionPorts, SessionSettings, TokenError};
use use_cases::tokens::{TokensPorts, TokensSettings, TokensUseCases};

use crate::calls::{PORTAL, address_of, by_identity_provider, by_token, caller, client, holder_of, renew, saml_login};
use crate::fakes::{CountingCodeDigester, NoKeys, RecordedMetrics, RecordingSigner, Records, SentCodes};
use crate::fault_injection::{FaultInjector, with_faults};
use crate::fixtures::{self, client_id, user_id};
use crate::{SettableClock, SettableTimer};

/// The initial time in milliseconds: 2026-01-01. It is not a whole second, so that truncation to seconds is detected.
const START: i64 = 1_767_225_600_123;

pub const GRACE: Duration = Duration::from_secs(30);

pub const LEASE: Duration = Duration::from_secs(5);

pub struct TestApp {
    pub stores: Stores,
    pub runtime: Runtime,
    pub event_publisher: Arc<dyn EventPublisher>,
    /// The published events, in order.
    pub event_log: Arc<dyn EventLog>,
    pub clock: Arc<SettableClock>,
    pub timer: Arc<SettableTimer>,
    pub signer: Arc<RecordingSigner>,
    pub metrics: Arc<RecordedMetrics>,
    pub tokens: Arc<TokensUseCases>,
    pub credential_lock: Arc<CredentialLockUseCases>,
    pub factors: Arc<FactorsUseCases>,
    pub sent_codes: Arc<SentCodes>,
    pub codes: Arc<CountingCodeDigester>,
    pub refresh_token_codec: Arc<dyn RefreshTokenCodec>,
    session_settings: SessionSettings,
    users: AtomicUsize,
    pub(crate) events_read: Mutex<EventsRead>,
    _folder: TempDir,
}

/// The events of each user, up to the cursor to which the log was read.
#[derive(Default)]
pub(crate) struct EventsRead {
    pub(crate) until: Cursor,
    pub(crate) events: HashMap<UserId, Vec<Event>>,
}

fn tokens(sessions: &SessionPorts, settings: &SessionSettings) -> Arc<TokensUseCases> {
    let issuance = Issuance::new(sessions, settings);
    let ports = TokensPorts {
        stores: sessions.stores.clone(),
        runtime: sessions.runtime.clone(),
        crypto: tokens_crypto(Arc::new(NoKeys)),
    };
    Arc::new(TokensUseCases::new(&ports, &issuance, &TokensSettings::default()))
}

fn session_settings(grace: Duration) -> SessionSettings {
    SessionSettings {
        refresh_grace: grace,
        redemption_grace: grace,
        // No limit: the clock does not move, and races start more sessions than the limit of a minute.
        new_sessions_per_minute: 0,
        ..SessionSettings::default()
    }
}

impl TestApp {
    /// Returns an app on SQLite, with the default grace time.
    pub async fn new() -> Self {
        Self::on_sqlite(GRACE).await
    }

    /// Returns an app without grace time: a spent token is a replay immediately.
    pub async fn strict() -> Self {
        Self::on_sqlite(Duration::ZERO).await
    }

    pub async fn on_sqlite(grace: Duration) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("authme.sqlite");
        let opened = adapter_sqlite::open(&SqliteSettings { file, workers: 4 }).unwrap();
        Self::over(opened, folder, grace).await
    }

    /// Returns an app over empty stores of its own, with its secrets in the folder.
    pub async fn over(opened: EmbeddedStore, folder: TempDir, grace: Duration) -> Self {
        let secrets = read_or_create_secret(&folder.path().join("secrets").join("refresh.key")).unwrap();
        let refresh_token_codec: Arc<dyn RefreshTokenCodec> = Arc::new(HmacRefreshTokenCodec::new(&secrets).unwrap());
        let EmbeddedStore {
            stores,
            event_publisher,
            event_log,
        } = opened;
        let clock = Arc::new(SettableClock::starting_at(Timestamp::from_millisecond(START).unwrap()));
        let metrics = Arc::<RecordedMetrics>::default();
        let signer = Arc::<RecordingSigner>::default();
        let runtime = Runtime {
            clock: clock.clone(),
            randomness: Arc::new(SystemRandomness),
            telemetry: metrics.clone(),
            audit: Arc::<Records>::default(),
        };
        let session_settings = session_settings(grace);
        let (sent_codes, codes) = (Arc::<SentCodes>::default(), Arc::<CountingCodeDigester>::default());
        let factors_ports = FactorsPorts {
            stores: stores.clone(),
            runtime: runtime.clone(),
            code_digester: codes.clone(),
            delivery: sent_codes.clone(),
        };
        let sessions = SessionPorts {
            stores: stores.clone(),
            runtime: runtime.clone(),
            signer: signer.clone(),
            refresh_token_codec: refresh_token_codec.clone(),
        };
        let app = Self {
            factors: Arc::new(FactorsUseCases::new(&factors_ports, &FactorsSettings::default())),
            sent_codes,
            codes,
            tokens: tokens(&sessions, &session_settings),
            credential_lock: Arc::new(CredentialLockUseCases::new(&stores, &runtime)),
            stores,
            clock,
            timer: Arc::default(),
            signer,
            metrics,
            refresh_token_codec,
            session_settings,
            runtime,
            event_publisher,
            event_log,
            users: AtomicUsize::new(0),
            events_read: Mutex::default(),
            _folder: folder,
        };
        for id in [PORTAL, "saml"] {
            app.stores.clients.create(&client(id)).await.unwrap();
        }
        app
    }

    /// Returns the use cases with the injector before every store.
    pub fn with_faults(&self, injector: &Arc<dyn FaultInjector>) -> Arc<TokensUseCases> {
        self.with_stores(&with_faults(&self.stores, injector))
    }

    /// Returns the use cases of locks over another store of locks.
    pub fn with_credential_locks(&self, locks: Arc<dyn VersionedStore<CredentialLock>>) -> CredentialLockUseCases {
        let stores = Stores {
            credential_locks: locks,
            ..self.stores.clone()
        };
        CredentialLockUseCases::new(&stores, &self.runtime)
    }

    /// Returns the use cases over other stores.
    pub fn with_stores(&self, stores: &Stores) -> Arc<TokensUseCases> {
        self.tokens_over(stores, &self.runtime)
    }

    /// Returns the use cases with another clock or audit trail.
    pub fn with_runtime(&self, runtime: &Runtime) -> Arc<TokensUseCases> {
        self.tokens_over(&self.stores, runtime)
    }

    /// Returns the use cases of factors with other limits.
    pub fn with_factors_settings(&self, settings: &FactorsSettings) -> FactorsUseCases {
        let ports = FactorsPorts {
            stores: self.stores.clone(),
            runtime: self.runtime.clone(),
            code_digester: self.codes.clone(),
            delivery: self.sent_codes.clone(),
        };
        FactorsUseCases::new(&ports, settings)
    }

    fn tokens_over(&self, stores: &Stores, runtime: &Runtime) -> Arc<TokensUseCases> {
        let sessions = SessionPorts {
            stores: stores.clone(),
            runtime: runtime.clone(),
            signer: self.signer.clone(),
            refresh_token_codec: self.refresh_token_codec.clone(),
        };
        tokens(&sessions, &self.session_settings)
    }

    /// Creates a user.
    pub async fn user(&self) -> UserId {
        let number = self.users.fetch_add(1, Ordering::SeqCst);
        let id = user_id(&format!("user-{number}"));
        let identity = fixtures::user(id.as_str(), &address_of(&id), &["USER"]);
        self.stores.identities.create(&identity).await.unwrap();
        id
    }

    /// Starts a session, and returns its first refresh token.
    pub async fn session(&self, user: &UserId) -> String {
        let tokens = renew(&self.tokens, by_identity_provider(user)).await.unwrap();
        tokens.refresh_token.unwrap()
    }

    /// Returns a validation token for the portal from a SAML login.
    pub async fn validation_token(&self, user: &UserId) -> String {
        let issued = self
            .tokens
            .handle_auth
            .run(&caller("saml"), saml_login(&address_of(user)))
            .await
            .unwrap();
        issued.into_inner().validation_token.reveal().to_owned()
    }

    pub async fn renew(&self, token: &str) -> Result<IssuedTokens, TokenError> {
        renew(&self.tokens, by_token(token, true)).await
    }

    /// Renews, and returns the successor.
    pub async fn successor(&self, token: &str) -> String {
        self.renew(token).await.unwrap().refresh_token.unwrap()
    }

    /// Renews with `remember-me=false`.
    pub async fn close(&self, token: &str) -> Result<IssuedTokens, TokenError> {
        renew(&self.tokens, by_token(token, false)).await
    }

    pub fn decode(&self, token: &str) -> RefreshToken {
        self.refresh_token_codec.verify(token).unwrap()
    }

    pub async fn family(&self, id: &FamilyId) -> RefreshFamily {
        self.stores.refresh_families.find(id).await.unwrap().unwrap()
    }

    pub async fn factor_set(&self, user: &UserId) -> FactorSet {
        let found = self.stores.factor_sets.find(user).await.unwrap();
        found.unwrap_or_else(|| FactorSet::empty(user.clone()))
    }

    pub async fn family_of(&self, token: &str) -> RefreshFamily {
        self.family(&self.decode(token).family).await
    }

    /// Returns the current token of each family of the user that can still be renewed.
    pub async fn renewable_tokens(&self, user: &UserId) -> Vec<String> {
        let (lock_status, now) = (
            self.stores.lock_statuses.read_linearizable(user).await.unwrap(),
            self.clock.now(),
        );
        let sign_in = self.stores.sign_in_statuses.read_linearizable(user).await.unwrap();
        let mut renewable = Vec::new();
        for family in self.families(user).await {
            let is_unexpired = now < family.absolute_expires_at && now < family.idle_expires_at;
            let mut has_ended = lock_status.judge(family.origin.epoch).is_err();
            has_ended |= sign_in.judge(family.origin.sessions_version, Some(&family.id)).is_err();
            for ancestor in &family.origin.ancestors {
                has_ended |= matches!(self.family(ancestor).await.status, FamilyStatus::Revoked(_));
            }
            if family.status == FamilyStatus::Active && is_unexpired && !has_ended {
                renewable.push(self.refresh_token_codec.encode(&family.current_token()));
            }
        }
        renewable
    }

    /// Returns all families ever started for the user, found by their `session.started` events.
    pub async fn families(&self, user: &UserId) -> Vec<RefreshFamily> {
        let mut families = Vec::new();
        for event in self.events_of(user).await {
            if event.kind == SESSION_STARTED {
                families.push(self.family(&FamilyId::parse(event.subject).unwrap()).await);
            }
        }
        families
    }

    pub async fn lock(&self, user: &UserId) {
        self.try_lock(user).await.unwrap();
    }

    pub async fn try_lock(&self, user: &UserId) -> Result<(), LockError> {
        let lock_credential = &self.credential_lock.lock_credential;
        let caller = caller("desk");
        lock_credential
            .run(Cause::Call(&caller), user.clone(), None)
            .await
            .map(drop)
    }

    pub async fn unlock(&self, user: &UserId) {
        let unlock_credential = &self.credential_lock.unlock_credential;
        let caller = caller("desk");
        let unlocked = unlock_credential.run(Cause::Call(&caller), user.clone(), None).await;
        unlocked.unwrap();
    }

    pub async fn change_client(&self, id: &str, change: impl FnOnce(&mut Client)) {
        let mut client = self.stores.clients.find(&client_id(id)).await.unwrap().unwrap();
        change(&mut client);
        self.stores.clients.replace(&client).await.unwrap();
    }

    /// Returns the call that the holder of the access token would make.
    pub fn caller_of(&self, tokens: &IssuedTokens) -> Call {
        holder_of(self.signer.content(&tokens.access_token))
    }
}
