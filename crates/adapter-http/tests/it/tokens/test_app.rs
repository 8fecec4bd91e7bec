use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use actix_web::App;
use actix_web::dev::ServiceResponse;
use actix_web::http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue};
use actix_web::test::{TestRequest, call_service, init_service, read_body};
use adapter_crypto::{
    CachingTokenVerifier, HmacRefreshTokenCodec, KeyDirectory, KeyRing, Rs512Signer, Sha256, SystemRandomness,
    TokenProfile, TokenType, read_or_create_secret, write_private,
};
use adapter_http::{Api, ApiSettings, Authenticator, HttpSettings, LimitSettings, LoginGuardSettings, TrustedProxies};
use adapter_sqlite::SqliteSettings;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::client::Client;
use domain::contact::{ContactType, Email};
use domain::identity::{BusinessLink, Identity, MainContact};
use domain::ids::{BusinessId, ClientId, ContactId, UserId};
use domain::sessions::RefreshFamily;
use domain::time::Timestamp;
use ports::sessions::{RefreshTokenCodec, TokenSigner};
use ports::tokens::ClientSecrets as _;
use ports::{AuditRecord, AuditTrail, Clock, MetricEvent, Runtime, Stores, Telemetry};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::watch;
use use_cases::AdmitCaller;
use use_cases::credential_lock::{CredentialLockPorts, CredentialLockUseCases};
use use_cases::sessions::{Issuance, SessionPorts, SessionSettings};
use use_cases::tokens::{TokensCrypto, TokensPorts, TokensSettings, TokensUseCases};

/// The time at which every test begins: 2026-01-01T00:00:00Z.
pub(super) const BEGIN: i64 = 1_767_225_600;

pub(super) const ISSUER: &str = "https://authme.test";
pub(super) const BUSINESS: &str = "60773aa94a50c11cfe00314d";

/// The lifetime of an access token, in seconds.
pub(super) const LIFE: i64 = 300;

pub(super) const FORM: &str = "application/x-www-form-urlencoded";

/// The response for a validation or refresh token that is not valid for the caller.
pub(super) const NOT_VALID: &str = r#"401 [{"code":"20","message":"the token is unknown, expired, used or revoked"}]"#;
pub(super) const LOCKED: &str = r#"412 [{"code":"21","message":"the credential is locked"}]"#;
pub(super) const TOO_LARGE: &str = r#"413 [{"code":"01","message":"the body is larger than 64 KiB"}]"#;

/// Returns the response for a caller whose token is not permitted, with the reason.
pub(super) fn forbidden_response(reason: &str) -> String {
    format!(r#"403 [{{"code":"03","message":"{reason}"}}]"#)
}

/// A clock that only the test advances.
pub(super) struct ManualClock(AtomicI64);

impl ManualClock {
    pub(super) fn advance(&self, seconds: i64) {
        self.0.fetch_add(seconds, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_second(self.0.load(Ordering::SeqCst)).unwrap()
    }
}

struct NullTelemetry;

impl Telemetry for NullTelemetry {
    fn record(&self, _: MetricEvent) {}
}

impl AuditTrail for NullTelemetry {
    fn record(&self, _: &AuditRecord) {}
}

/// Writes the signing key into a folder. All tests share one key, because generating a key takes longer than most
/// tests.
fn keys_in(folder: &Path) -> Arc<KeyRing> {
    static FILES: OnceLock<Vec<(OsString, Vec<u8>)>> = OnceLock::new();
    let files = FILES.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        KeyDirectory::new(folder.path())
            .ensure_key(Timestamp::UNIX_EPOCH)
            .unwrap();
        let entries = std::fs::read_dir(folder.path()).unwrap().map(Result::unwrap);
        entries
            .map(|entry| (entry.file_name(), std::fs::read(entry.path()).unwrap()))
            .collect()
    });
    for (name, bytes) in files {
        write_private(&folder.join(name), bytes).unwrap();
    }
    Arc::new(KeyRing::open(KeyDirectory::new(folder), Duration::from_hours(1)).unwrap())
}

fn profile() -> TokenProfile {
    TokenProfile {
        issuer: ISSUER.to_owned(),
        audience: "authme".to_owned(),
        token_type: TokenType::AccessToken,
        longest_life: Duration::from_hours(1),
    }
}

pub(super) struct TestResponse {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: String,
}

impl TestResponse {
    pub(super) async fn read(response: ServiceResponse) -> Self {
        let header =
            |(name, value): (&HeaderName, &HeaderValue)| (name.to_string(), value.to_str().unwrap().to_owned());
        Self {
            status: response.status().as_u16(),
            headers: response.headers().iter().map(header).collect(),
            body: String::from_utf8(read_body(response).await.to_vec()).unwrap(),
        }
    }

    /// Returns the status and the whole body, for comparison.
    pub(super) fn status_and_body(&self) -> String {
        format!("{} {}", self.status, self.body)
    }

    #[track_caller]
    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("not JSON: {}", self.status_and_body()))
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(own, _)| own == name);
        found.map(|(_, value)| value.as_str())
    }

    /// Returns the status and the code of the first error.
    pub(super) fn code(&self) -> (u16, String) {
        (self.status, field(&self.json()[0], "code"))
    }
}

/// Returns a text member of a JSON object.
#[track_caller]
pub(super) fn field(object: &Value, name: &str) -> String {
    let text = object[name].as_str();
    text.unwrap_or_else(|| panic!("{object} has no {name}")).to_owned()
}

pub(super) struct TestApp {
    pub(super) clock: Arc<ManualClock>,
    pub(super) stores: Stores,
    pub(super) refresh_token_codec: Arc<dyn RefreshTokenCodec>,
    pub(super) signer: Arc<dyn TokenSigner>,
    runtime: Runtime,
    keys: Arc<KeyRing>,
    pub(super) api: Api,
    pub(super) settings: ApiSettings,
    _folder: TempDir,
}

fn settings() -> ApiSettings {
    ApiSettings {
        http: HttpSettings {
            workers: 1,
            drain: Duration::ZERO,
            serves_docs: true,
            ..HttpSettings::default()
        },
        trusted_proxies: TrustedProxies::parse(&["10.0.0.0/8".to_owned()]).unwrap(),
        key_set_cache_time: Duration::from_mins(5),
        login_guard: LoginGuardSettings::default(),
        shutdown_timeout: Duration::from_secs(1),
        limits: LimitSettings {
            requests_per_client: 0,
            requests_per_user: 0,
        },
        accepts_query_tokens: true,
    }
}

impl TestApp {
    pub(super) async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("authme.sqlite");
        let stores = adapter_sqlite::open(&SqliteSettings { file, workers: 1 })
            .unwrap()
            .stores;
        let secrets = read_or_create_secret(&folder.path().join("refresh.key")).unwrap();
        let refresh_token_codec: Arc<dyn RefreshTokenCodec> = Arc::new(HmacRefreshTokenCodec::new(&secrets).unwrap());
        let keys = keys_in(&folder.path().join("keys"));
        let clock = Arc::new(ManualClock(AtomicI64::new(BEGIN)));
        let signer: Arc<dyn TokenSigner> = Arc::new(Rs512Signer::new(keys.clone(), profile(), Arc::new(NullTelemetry)));
        let runtime = Runtime {
            clock: clock.clone(),
            randomness: Arc::new(SystemRandomness),
            telemetry: Arc::new(NullTelemetry),
            audit: Arc::new(NullTelemetry),
        };
        let tokens = tokens(&stores, &runtime, signer.clone(), &refresh_token_codec, &keys);
        let lock_ports = CredentialLockPorts::new(&stores, &runtime);
        let (_, stopping) = watch::channel(false);
        let app = Self {
            api: Api {
                tokens: Some(tokens),
                factors: None,
                credential_lock: Some(Arc::new(CredentialLockUseCases::new(&lock_ports))),
                follow_events: None,
                authenticator: Authenticator {
                    verifier: Arc::new(CachingTokenVerifier::new(keys.clone(), profile())),
                    keys: keys.clone(),
                    clock: clock.clone(),
                    admit_caller: AdmitCaller::new(&stores, clock.clone()),
                },
                telemetry: Arc::new(NullTelemetry),
                randomness: Arc::new(SystemRandomness),
                audit: Arc::new(NullTelemetry),
                stopping,
            },
            settings: settings(),
            clock,
            stores,
            refresh_token_codec,
            signer,
            runtime,
            keys,
            _folder: folder,
        };
        app.create_clients_and_users().await;
        app
    }

    /// Returns the use cases with another signer.
    pub(super) fn tokens_signed_by(&self, signer: Arc<dyn TokenSigner>) -> Arc<TokensUseCases> {
        tokens(
            &self.stores,
            &self.runtime,
            signer,
            &self.refresh_token_codec,
            &self.keys,
        )
    }

    async fn create_clients_and_users(&self) {
        let application = ["CLI-AUTH-IDENTIFIED", "CLI-1STPARTY"];
        for id in ["portal", "shop", "closed"] {
            let mut client = client(id, &application, &["READ", "WRITE"]);
            client.is_identity_provider = true;
            client.is_enabled = id != "closed";
            self.stores.clients.create(&client).await.unwrap();
        }
        let machine = ["CLI-1STPARTY", "CLI-AUTH-BASIC"];
        let locker = client("locker", &machine, &["account_lock", "account_unlock"]);
        self.stores.clients.create(&locker).await.unwrap();
        for id in ["ana", "bia"] {
            self.stores.identities.create(&user(id)).await.unwrap();
        }
    }

    pub(super) async fn send(&self, request: TestRequest) -> TestResponse {
        let app = init_service(App::new().configure(|config| self.api.configure(&self.settings, config))).await;
        TestResponse::read(call_service(&app, request.to_request()).await).await
    }

    /// Logs a client in and returns its access token.
    pub(super) async fn client_token(&self, client: &str) -> String {
        let credentials = basic(client, &secret_of(client));
        let login = post("/client-identities/login").insert_header((AUTHORIZATION, credentials));
        field(&self.send(login).await.json(), "accessToken")
    }

    /// Logs the user in by an identity provider client and returns the token response. With `remember`, this starts a
    /// session.
    pub(super) async fn log_in(&self, user: &str, client: &str, remember: bool) -> Value {
        let body = json!({"clientId": client, "userId": user, "remember-me": remember});
        let request = by(post("/user-identities/renew-token"), &self.client_token(client).await);
        let response = self.send(json_body(request, &body)).await;
        assert_eq!(response.status, 200, "{}", response.status_and_body());
        response.json()
    }

    /// Renews `token` with the bearer token `bearer`.
    pub(super) async fn renew(&self, bearer: &str, token: &str, remember: bool) -> TestResponse {
        let body = json!({"token": token, "remember-me": remember});
        let request = by(post("/user-identities/renew-token"), bearer);
        self.send(json_body(request, &body)).await
    }

    /// Sends the command `lock` or `unlock`.
    pub(super) async fn lock_or_unlock(&self, command: &str, user: &str) {
        let request = by(
            post(&format!("/user-identities/{command}")),
            &self.client_token("locker").await,
        );
        let response = self.send(json_body(request, &json!({"userId": user}))).await;
        assert_eq!(response.status, 204, "{}", response.status_and_body());
    }

    /// Links the user to [`BUSINESS`], or removes the link.
    pub(super) async fn link(&self, id: &str, is_linked: bool) {
        let link = || BusinessLink {
            id: BusinessId::parse(BUSINESS).unwrap(),
            roles: vec!["BUYER".to_owned()],
        };
        let mut linked = user(id);
        linked.businesses = is_linked.then(link).into_iter().collect();
        self.stores.identities.replace(&linked).await.unwrap();
    }

    /// Returns the stored family of a refresh token.
    pub(super) async fn family(&self, token: &str) -> RefreshFamily {
        let id = self.refresh_token_codec.verify(token).unwrap().family;
        self.stores.refresh_families.find(&id).await.unwrap().unwrap()
    }
}

fn tokens(
    stores: &Stores,
    runtime: &Runtime,
    signer: Arc<dyn TokenSigner>,
    refresh_token_codec: &Arc<dyn RefreshTokenCodec>,
    keys: &Arc<KeyRing>,
) -> Arc<TokensUseCases> {
    let sessions = SessionPorts::new(stores, runtime, signer, refresh_token_codec.clone());
    let issuance = Issuance::new(&sessions, &SessionSettings::default());
    let crypto = TokensCrypto {
        key_set: keys.key_set(runtime.clock.clone()),
        client_secrets: Arc::new(Sha256),
        hasher: Arc::new(Sha256),
    };
    let ports = TokensPorts::new(stores, runtime, sessions, crypto);
    Arc::new(TokensUseCases::new(&ports, &issuance, &TokensSettings::default()))
}

pub(super) fn secret_of(client: &str) -> String {
    format!("the long secret of {client}")
}

fn client(id: &str, roles: &[&str], scopes: &[&str]) -> Client {
    let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    Client {
        secrets: vec![Sha256.digest(&secret_of(id))],
        roles: owned(roles),
        scopes: owned(scopes),
        ..Client::new(ClientId::parse(id).unwrap())
    }
}

fn user(id: &str) -> Identity {
    Identity {
        id: UserId::parse(id).unwrap(),
        name: None,
        email: Some(MainContact {
            id: ContactId::parse(format!("{id}-mail")).unwrap(),
            value: Email::parse(&format!("{id}@example.com")).unwrap(),
        }),
        mobile: None,
        main_contact_type: ContactType::Email,
        roles: vec!["AUTH-BASIC".to_owned(), "USER".to_owned()],
        groups: Vec::new(),
        businesses: Vec::new(),
    }
}

pub(super) fn basic(name: &str, secret: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{name}:{secret}")))
}

/// Creates a POST below the base path, from a peer that is not a trusted proxy.
pub(super) fn post(path: &str) -> TestRequest {
    let peer: SocketAddr = "203.0.113.9:4711".parse().unwrap();
    TestRequest::post()
        .uri(&format!("/security/iam/v1{path}"))
        .peer_addr(peer)
}

pub(super) fn by(request: TestRequest, bearer: &str) -> TestRequest {
    request.insert_header((AUTHORIZATION, format!("Bearer {bearer}")))
}

pub(super) fn json_body(request: TestRequest, body: &Value) -> TestRequest {
    raw_body(request, "application/json", &body.to_string())
}

pub(super) fn raw_body(request: TestRequest, media_type: &str, body: &str) -> TestRequest {
    request
        .insert_header((CONTENT_TYPE, media_type))
        .set_payload(body.to_owned())
}
