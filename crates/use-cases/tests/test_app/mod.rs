//! The use cases, wired over a store of their own.

pub(crate) mod fakes;
pub(crate) mod fault_injection;
pub(crate) mod stale_reads;
pub(crate) mod stores;

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use adapter_crypto::{HmacRefreshTokenCodec, Sha256, SystemRandomness, read_or_create_secret};
use adapter_sqlite::EmbeddedStore;
use domain::caller::{Call, Caller, CallingUser, RequestContext};
use domain::client::{Client, Visibility};
use domain::contact::{ContactType, Email};
use domain::credential_lock::CredentialLock;
use domain::event::Event;
use domain::factors::{ContactDraft, FactorSet, MobileDraft};
use domain::group::ANY_GROUP;
use domain::identity::{Identity, MainContact};
use domain::ids::{ClientId, ContactId, FamilyId, UserId};
use domain::sessions::events::SESSION_STARTED;
use domain::sessions::{AccessTokenSubject, FamilyStatus, RefreshFamily, RefreshToken};
use domain::time::Timestamp;
use ports::sessions::RefreshTokenCodec;
use ports::{Clock as _, Cursor, EventLog, EventPublisher, LoggedEvent, Runtime, Stores, VersionedStore};
use tempfile::TempDir;
use use_cases::RelayOutboxes;
use use_cases::credential_lock::{CredentialLockPorts, CredentialLockUseCases, LockError};
use use_cases::factors::{FactorsPorts, FactorsSettings, FactorsUseCases};
use use_cases::sessions::{Issuance, IssuedTokens, SessionPorts, SessionSettings, TokenError};
use use_cases::tokens::{
    ExpectedSubject, HandleAuthRequest, RenewTokenRequest, RenewalGrant, TokensCrypto, TokensPorts, TokensSettings,
    TokensUseCases,
};

pub(crate) use stored_forms::all_aggregates;

use fakes::{CountingCodeDigester, NoKeys, RecordedMetrics, RecordingSigner, Records, SentCodes, SettableClock};
use fault_injection::{FaultInjector, with_faults};

/// The default client of the tests, set up for every flow.
pub(crate) const PORTAL: &str = "portal";

pub(crate) const GRACE: Duration = Duration::from_secs(30);

const LEASE: Duration = Duration::from_secs(5);

/// More events than any test causes.
const MANY: usize = 10_000_000;

pub(crate) struct TestApp {
    pub(crate) stores: Stores,
    pub(crate) runtime: Runtime,
    pub(crate) event_publisher: Arc<dyn EventPublisher>,
    /// The published events, in order.
    pub(crate) event_log: Arc<dyn EventLog>,
    pub(crate) clock: Arc<SettableClock>,
    pub(crate) signer: Arc<RecordingSigner>,
    pub(crate) metrics: Arc<RecordedMetrics>,
    pub(crate) tokens: Arc<TokensUseCases>,
    pub(crate) credential_lock: Arc<CredentialLockUseCases>,
    pub(crate) factors: Arc<FactorsUseCases>,
    pub(crate) sent_codes: Arc<SentCodes>,
    pub(crate) codes: Arc<CountingCodeDigester>,
    pub(crate) refresh_token_codec: Arc<dyn RefreshTokenCodec>,
    session_settings: SessionSettings,
    users: AtomicUsize,
    events_read: Mutex<EventsRead>,
    _folder: TempDir,
}

/// The events of each user, up to the cursor to which the log was read.
#[derive(Default)]
struct EventsRead {
    until: Cursor,
    events: HashMap<UserId, Vec<Event>>,
}

pub(crate) fn client_id(id: &str) -> ClientId {
    ClientId::parse(id).unwrap()
}

/// Returns a client that is set up for every flow.
pub(crate) fn client(id: &str) -> Client {
    Client {
        accepts_saml: true,
        is_identity_provider: true,
        creates_users: true,
        roles: vec!["CLI-1STPARTY".to_owned()],
        visibility: Visibility::Unrestricted,
        allows_administration: true,
        assertable_groups: vec![ANY_GROUP.to_owned()],
        ..Client::new(client_id(id))
    }
}

/// Returns the draft of a mobile number: nine digits, the first of them 9.
pub(crate) fn mobile(id: &str, number: &str) -> ContactDraft {
    ContactDraft {
        id: ContactId::parse(id).unwrap(),
        contact_type: ContactType::Mobile,
        email: None,
        mobile: Some(MobileDraft {
            region_code: Some("55".to_owned()),
            area_code: Some("11".to_owned()),
            phone_number: Some(number.to_owned()),
        }),
        tags: Vec::new(),
    }
}

/// Returns a call of the user at the portal, with a token of epoch 0.
pub(crate) fn user_at_the_portal(user: &UserId) -> Call {
    call(Caller {
        user: Some(CallingUser {
            id: user.clone(),
            business: None,
            session: None,
            epoch: 0,
        }),
        ..Caller::clone(&caller(PORTAL))
    })
}

/// Returns a call of a client on its own.
pub(crate) fn caller(client: &str) -> Call {
    call(Caller {
        client: client_id(client),
        client_epoch: 0,
        user: None,
        roles: Vec::new(),
        scopes: Vec::new(),
        expires_at: Timestamp::MAX,
    })
}

/// The id of every request.
pub(crate) const REQUEST: &str = "request-1";

pub(crate) fn call(caller: Caller) -> Call {
    Call {
        caller: Arc::new(caller),
        request: RequestContext {
            id: REQUEST.into(),
            address: None,
        },
    }
}

pub(crate) fn by_token(token: &str, remember: bool) -> RenewTokenRequest {
    let grant = RenewalGrant::Token {
        token: token.to_owned(),
        expected: ExpectedSubject::default(),
    };
    RenewTokenRequest {
        grant,
        is_remembered: remember,
    }
}

pub(crate) fn by_identity_provider(user: &UserId) -> RenewTokenRequest {
    let grant = RenewalGrant::IdentityProvider {
        client: client_id(PORTAL),
        user: user.clone(),
    };
    RenewTokenRequest {
        grant,
        is_remembered: true,
    }
}

pub(crate) fn saml_login(address: &str) -> HandleAuthRequest {
    HandleAuthRequest {
        target_client: client_id(PORTAL),
        email: Email::parse(address).unwrap(),
        groups: Vec::new(),
        full_name: None,
        business: None,
        ip: None,
    }
}

pub(crate) fn address_of(user: &UserId) -> String {
    format!("{user}@example.com")
}

fn tokens(
    stores: &Stores,
    runtime: &Runtime,
    sessions: SessionPorts,
    settings: &SessionSettings,
) -> Arc<TokensUseCases> {
    let issuance = Issuance::new(&sessions, settings);
    let crypto = TokensCrypto {
        key_set: Arc::new(NoKeys),
        client_secrets: Arc::new(Sha256),
        hasher: Arc::new(Sha256),
    };
    let ports = TokensPorts::new(stores, runtime, sessions, crypto);
    Arc::new(TokensUseCases::new(&ports, &issuance, &TokensSettings::default()))
}

impl TestApp {
    /// Returns an app on SQLite, with the default grace time.
    pub(crate) async fn new() -> Self {
        Self::on_sqlite(GRACE).await
    }

    /// Returns an app without grace time: a spent token is a replay immediately.
    pub(crate) async fn strict() -> Self {
        Self::on_sqlite(Duration::ZERO).await
    }

    pub(crate) async fn on_sqlite(grace: Duration) -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self::over(stores::sqlite(folder.path()), folder, grace).await
    }

    /// Returns an app over empty stores of its own, with its secrets in the folder.
    pub(crate) async fn over(opened: EmbeddedStore, folder: TempDir, grace: Duration) -> Self {
        let secrets = read_or_create_secret(&folder.path().join("secrets").join("refresh.key")).unwrap();
        let refresh_token_codec: Arc<dyn RefreshTokenCodec> = Arc::new(HmacRefreshTokenCodec::new(&secrets).unwrap());
        let EmbeddedStore {
            stores,
            event_publisher,
            event_log,
        } = opened;
        let (clock, metrics) = (Arc::<SettableClock>::default(), Arc::<RecordedMetrics>::default());
        let signer = Arc::<RecordingSigner>::default();
        let runtime = Runtime {
            clock: clock.clone(),
            randomness: Arc::new(SystemRandomness),
            telemetry: metrics.clone(),
            audit: Arc::<Records>::default(),
        };
        let session_settings = SessionSettings {
            refresh_grace: grace,
            // No limit: the clock does not move, and races start more sessions than the limit of a minute.
            new_sessions_per_minute: 0,
            ..SessionSettings::default()
        };
        let (sent_codes, codes) = (Arc::<SentCodes>::default(), Arc::<CountingCodeDigester>::default());
        let factors_ports = FactorsPorts::new(&stores, &runtime, codes.clone(), sent_codes.clone());
        let lock_ports = CredentialLockPorts::new(&stores, &runtime);
        let sessions = SessionPorts::new(&stores, &runtime, signer.clone(), refresh_token_codec.clone());
        let app = Self {
            factors: Arc::new(FactorsUseCases::new(&factors_ports, &FactorsSettings::default())),
            sent_codes,
            codes,
            tokens: tokens(&stores, &runtime, sessions, &session_settings),
            credential_lock: Arc::new(CredentialLockUseCases::new(&lock_ports)),
            stores,
            clock,
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
    pub(crate) fn with_faults(&self, injector: &Arc<dyn FaultInjector>) -> Arc<TokensUseCases> {
        self.with_stores(&with_faults(&self.stores, injector))
    }

    /// Returns the ports of the lock context with another store of credentials.
    pub(crate) fn credential_lock_ports(
        &self,
        credentials: Arc<dyn VersionedStore<CredentialLock>>,
    ) -> CredentialLockPorts {
        CredentialLockPorts {
            credential_locks: credentials,
            ..CredentialLockPorts::new(&self.stores, &self.runtime)
        }
    }

    /// Returns the use cases over other stores.
    pub(crate) fn with_stores(&self, stores: &Stores) -> Arc<TokensUseCases> {
        self.tokens_over(stores, &self.runtime)
    }

    /// Returns the use cases with another clock or audit trail.
    pub(crate) fn with_runtime(&self, runtime: &Runtime) -> Arc<TokensUseCases> {
        self.tokens_over(&self.stores, runtime)
    }

    fn tokens_over(&self, stores: &Stores, runtime: &Runtime) -> Arc<TokensUseCases> {
        let sessions = SessionPorts::new(stores, runtime, self.signer.clone(), self.refresh_token_codec.clone());
        tokens(stores, runtime, sessions, &self.session_settings)
    }

    /// Creates a user.
    pub(crate) async fn user(&self) -> UserId {
        let number = self.users.fetch_add(1, Ordering::SeqCst);
        let id = UserId::parse(format!("user-{number}")).unwrap();
        let identity = Identity {
            id: id.clone(),
            name: None,
            email: Some(MainContact {
                id: ContactId::parse(format!("email-{number}")).unwrap(),
                value: Email::parse(&address_of(&id)).unwrap(),
            }),
            mobile: None,
            main_contact_type: ContactType::Email,
            roles: vec!["USER".to_owned()],
            groups: Vec::new(),
            businesses: Vec::new(),
        };
        self.stores.identities.create(&identity).await.unwrap();
        id
    }

    /// Starts a session, and returns its first refresh token.
    pub(crate) async fn session(&self, user: &UserId) -> String {
        let tokens = renew(&self.tokens, by_identity_provider(user)).await.unwrap();
        tokens.refresh_token.unwrap()
    }

    /// Returns a validation token for the portal from a SAML login.
    pub(crate) async fn validation_token(&self, user: &UserId) -> String {
        let issued = self
            .tokens
            .handle_auth
            .run(&caller("saml"), saml_login(&address_of(user)))
            .await
            .unwrap();
        issued.into_inner().validation_token.reveal().to_owned()
    }

    pub(crate) async fn renew(&self, token: &str) -> Result<IssuedTokens, TokenError> {
        renew(&self.tokens, by_token(token, true)).await
    }

    /// Renews, and returns the successor.
    pub(crate) async fn successor(&self, token: &str) -> String {
        self.renew(token).await.unwrap().refresh_token.unwrap()
    }

    /// Renews with `remember-me=false`.
    pub(crate) async fn close(&self, token: &str) -> Result<IssuedTokens, TokenError> {
        renew(&self.tokens, by_token(token, false)).await
    }

    pub(crate) fn decode(&self, token: &str) -> RefreshToken {
        self.refresh_token_codec.verify(token).unwrap()
    }

    pub(crate) async fn family(&self, id: &FamilyId) -> RefreshFamily {
        self.stores.refresh_families.find(id).await.unwrap().unwrap()
    }

    pub(crate) async fn factor_set(&self, user: &UserId) -> FactorSet {
        let found = self.stores.factor_sets.find(user).await.unwrap();
        found.unwrap_or_else(|| FactorSet::empty(user.clone()))
    }

    pub(crate) async fn family_of(&self, token: &str) -> RefreshFamily {
        self.family(&self.decode(token).family).await
    }

    /// Returns the current token of each family of the user that can still be renewed.
    pub(crate) async fn renewable_tokens(&self, user: &UserId) -> Vec<String> {
        let (lock_status, now) = (
            self.stores.lock_statuses.read_linearizable(user).await.unwrap(),
            self.clock.now(),
        );
        let mut renewable = Vec::new();
        for family in self.families(user).await {
            let is_unexpired = now < family.absolute_expires_at && now < family.idle_expires_at;
            let mut has_ended = lock_status.judge(family.origin.epoch).is_err();
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
    pub(crate) async fn families(&self, user: &UserId) -> Vec<RefreshFamily> {
        let mut families = Vec::new();
        for event in self.events_of(user).await {
            if event.kind == SESSION_STARTED {
                families.push(self.family(&FamilyId::parse(event.subject).unwrap()).await);
            }
        }
        families
    }

    /// Returns all events so far.
    pub(crate) async fn events(&self) -> Vec<Event> {
        self.publish().await;
        let logged = self.event_log.read(Cursor::default(), MANY).await.unwrap();
        logged.into_iter().map(|logged| logged.event).collect()
    }

    /// Returns all events of the user so far. Reads only what was logged since the last call.
    pub(crate) async fn events_of(&self, user: &UserId) -> Vec<Event> {
        self.publish().await;
        let until = self.events_read.lock().unwrap().until;
        let logged = self.event_log.read(until, MANY).await.unwrap();
        let mut events_read = self.events_read.lock().unwrap();
        for LoggedEvent { cursor, event } in logged {
            if cursor > events_read.until {
                events_read.until = cursor;
                events_read.events.entry(event.user.clone()).or_default().push(event);
            }
        }
        events_read.events.get(user).cloned().unwrap_or_default()
    }

    /// Publishes all pending events to the log.
    async fn publish(&self) {
        let relay = self.relay();
        loop {
            let claimed = relay.claim(1_000).await.unwrap();
            if claimed.is_empty() {
                break;
            }
            let mut settlements = Vec::with_capacity(claimed.len());
            for outbox in claimed {
                let delivery = relay.deliver(outbox).await;
                assert!(delivery.is_complete);
                settlements.push(delivery.settlement);
            }
            relay.settle(&settlements).await.unwrap();
        }
    }

    pub(crate) fn relay(&self) -> RelayOutboxes {
        RelayOutboxes::new(
            self.stores.upkeep.outboxes(&all_aggregates()),
            self.event_publisher.clone(),
            self.clock.clone(),
            "relay".to_owned(),
            LEASE,
        )
    }

    pub(crate) async fn lock(&self, user: &UserId) {
        self.try_lock(user).await.unwrap();
    }

    pub(crate) async fn try_lock(&self, user: &UserId) -> Result<(), LockError> {
        let lock_credential = &self.credential_lock.lock_credential;
        lock_credential.run(&caller("desk"), user.clone(), None).await
    }

    pub(crate) async fn unlock(&self, user: &UserId) {
        let unlock_credential = &self.credential_lock.unlock_credential;
        let unlocked = unlock_credential.run(&caller("desk"), user.clone(), None).await;
        unlocked.unwrap();
    }

    pub(crate) async fn change_client(&self, id: &str, change: impl FnOnce(&mut Client)) {
        let mut client = self.stores.clients.find(&client_id(id)).await.unwrap().unwrap();
        change(&mut client);
        self.stores.clients.replace(&client).await.unwrap();
    }

    /// Returns the call that the holder of the access token would make.
    pub(crate) fn caller_of(&self, tokens: &IssuedTokens) -> Call {
        let token = self.signer.content(&tokens.access_token);
        let user = match token.subject {
            AccessTokenSubject::Client => None,
            AccessTokenSubject::User {
                id,
                business,
                session,
                epoch,
            } => Some(CallingUser {
                id,
                business,
                session,
                epoch,
            }),
        };
        call(Caller {
            client: token.client,
            client_epoch: token.client_epoch,
            user,
            roles: token.roles,
            scopes: token.scopes,
            expires_at: token.expires_at,
        })
    }
}

/// Renews as the portal on its own.
pub(crate) async fn renew(tokens: &TokensUseCases, request: RenewTokenRequest) -> Result<IssuedTokens, TokenError> {
    renew_as(tokens, &caller(PORTAL), request).await
}

pub(crate) async fn renew_as(
    tokens: &TokensUseCases,
    caller: &Call,
    request: RenewTokenRequest,
) -> Result<IssuedTokens, TokenError> {
    Ok(tokens.renew_token.run(caller, request).await?.into_inner())
}
