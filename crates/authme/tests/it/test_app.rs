//! A wired app behind a real socket, over a temporary folder, with a clock that only tests advance.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use actix_web::dev::ServerHandle;
use adapter_crypto::{KeyDirectory, KeyRing, write_private};
use adapter_http::Api;
use domain::ids::FamilyId;
use domain::sessions::RefreshFamily;
use domain::time::Timestamp;
use ports::{Clock as _, Stores};
use serde_json::{Value, json};
use service_assembly::{App, CONTEXTS, DataFolder};
use service_runtime::{AuditLog, Loaded, Stop};
use stored_forms::all_aggregates;
use tempfile::TempDir;
use test_support::SettableClock;
use test_support::http::{self, Answer, Connection, Request};
use test_support::published_events::publish_all;
use use_cases::RelayOutboxes;

use crate::event_schemas::assert_fits_its_schema;
use crate::fixtures;

/// 2026-01-01T00:00:00Z, the start of every test.
pub(crate) const START: i64 = 1_767_225_600;

pub(crate) const ISSUER: &str = "https://authme.test";

/// The lifetime of an access token, in seconds.
pub(crate) const LIFE: i64 = 300;

/// The answer for a validation or refresh token that is not valid for the caller.
pub(crate) const NOT_VALID: &str = r#"401 [{"code":"20","message":"the token is unknown, expired, used or revoked"}]"#;
pub(crate) const LOCKED: &str = r#"412 [{"code":"21","message":"the credential is locked"}]"#;
pub(crate) const TOO_LARGE: &str = r#"413 [{"code":"01","message":"the body is larger than 64 KiB"}]"#;

/// Returns the answer for a caller whose token is not permitted, with the reason.
pub(crate) fn forbidden_response(reason: &str) -> String {
    format!(r#"403 [{{"code":"03","message":"{reason}"}}]"#)
}

pub(crate) fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).expect("a time that exists")
}

pub(crate) fn at_millisecond(millisecond: i64) -> Timestamp {
    Timestamp::from_millisecond(millisecond).expect("a time that exists")
}

/// Writes the signing key. All tests share one, because generating a key takes longer than most tests.
fn write_keys(folder: &Path) {
    static FILES: OnceLock<Vec<(String, Vec<u8>)>> = OnceLock::new();
    let files = FILES.get_or_init(|| {
        let generated = tempfile::tempdir().expect("a temporary folder");
        let keys = KeyDirectory::new(generated.path());
        keys.ensure_key(at(START)).expect("a key can be generated");
        let entries = std::fs::read_dir(generated.path()).expect("the folder can be read");
        entries
            .map(|entry| {
                let entry = entry.expect("the folder can be read");
                let name = entry.file_name().into_string().expect("a plain name");
                (name, std::fs::read(entry.path()).expect("the file can be read"))
            })
            .collect()
    });
    for (name, bytes) in files {
        write_private(&folder.join(name), bytes).expect("the key can be written");
    }
}

type Change<T> = Box<dyn FnOnce(&mut T)>;

/// Differences from the default app.
#[derive(Default)]
pub(crate) struct Setup {
    pub(crate) trusted_proxies: Vec<String>,
    /// A change of the default settings.
    pub(crate) settings: Vec<(&'static str, String)>,
    /// A change of settings that are lists.
    pub(crate) lists: Vec<(&'static str, Vec<String>)>,
    /// The time from which a second key signs, in seconds.
    pub(crate) next_key_from: Option<i64>,
    /// A change of the wired API.
    pub(crate) api: Option<Change<Api>>,
}

pub(crate) struct TestApp {
    pub(crate) address: SocketAddr,
    pub(crate) clock: Arc<SettableClock>,
    pub(crate) stores: Stores,
    pub(crate) keys: KeyRing,
    pub(crate) folder: TempDir,
    metrics: Arc<dyn Fn() -> String + Send + Sync>,
    relay: RelayOutboxes,
    /// Dropping it would end event streams.
    _stop: Stop,
    runtime: tokio::runtime::Runtime,
    server: Option<(ServerHandle, JoinHandle<()>)>,
    answers: Mutex<Vec<Answer>>,
}

/// Returns the default settings, with the changes of the setup.
fn settings(setup: &Setup) -> Loaded {
    let mut settings = authme::default_settings().expect("the defaults are valid");
    let mut set = |name: &str, value: &str| settings.set(name, value).expect("a setting");
    set("http.workers", "1");
    set("tokens.issuer", ISSUER);
    // Rate limits are off: the clock does not advance by itself, and tests send requests faster than clients do.
    for limit in [
        "limits.requests_per_client",
        "limits.requests_per_user",
        "tokens.new_sessions_per_minute",
    ] {
        set(limit, "0");
    }
    for (name, value) in &setup.settings {
        set(name, value);
    }
    let proxies = setup.trusted_proxies.clone();
    settings.set("http.trusted_proxies", proxies).expect("a setting");
    for (name, values) in &setup.lists {
        settings.set(name, values.clone()).expect("a setting");
    }
    settings
}

impl TestApp {
    pub(crate) fn start() -> Self {
        Self::start_with(Setup::default())
    }

    pub(crate) fn start_with(setup: Setup) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let keys_folder = folder.path().join("data/keys");
        write_keys(&keys_folder);
        if let Some(second) = setup.next_key_from {
            let next = KeyDirectory::new(&keys_folder).generate(at(second));
            next.expect("a key can be generated");
        }
        let clock = Arc::new(SettableClock::starting_at(at(START)));
        let settings = settings(&setup);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        let runtime_guard = runtime.enter();
        let data = folder.path().join("data");
        // A folder whose creation was interrupted: the store and the secrets are created, the keys above are kept.
        std::fs::write(data.join("creating"), "").expect("the folder can be written");
        let data = DataFolder::open_or_create(data, clock.now()).expect("the folder opens");
        let audit = AuditLog::in_file(&data.audit()).expect("the file opens");
        let platform = data.platform(&settings, clock.clone(), Arc::new(audit));
        let parts = App::assemble(CONTEXTS, platform.expect("the folder is free"), settings);
        let mut parts = parts.expect("everything is wired");
        let keys = KeyRing::open(KeyDirectory::new(keys_folder), Duration::from_hours(1)).expect("the keys exist");
        let relay = parts.relay();
        if let Some(adjust) = setup.api {
            adjust(&mut parts.api);
        }
        let (address, server) = serve(parts.api, parts.api_settings);
        drop(runtime_guard);
        let app = Self {
            address,
            clock,
            stores: parts.stores,
            keys,
            folder,
            metrics: parts.management.metrics,
            relay,
            _stop: parts.stop,
            runtime,
            server: Some(server),
            answers: Mutex::default(),
        };
        app.wait_for(fixtures::seed(&app.stores));
        app
    }

    /// Starts an app with changed settings.
    pub(crate) fn with_settings(settings: &[(&'static str, &str)]) -> Self {
        let owned = |(name, value): &(&'static str, &str)| (*name, (*value).to_owned());
        Self::start_with(Setup {
            settings: settings.iter().map(owned).collect(),
            ..Setup::default()
        })
    }

    /// Removes the oldest events, as another process does.
    pub(crate) fn remove_events(&self, count: usize) {
        let data = DataFolder::open(self.folder.path().join("data")).expect("the folder exists");
        let log = data.store(1).expect("the store opens").event_log;
        let removed = self.wait_for(log.remove(Timestamp::MAX, count));
        assert_eq!(removed.expect("the store answers"), count);
    }

    /// Returns the metrics as a scrape would.
    pub(crate) fn metrics(&self) -> String {
        (self.metrics)()
    }

    pub(crate) fn wait_for<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(work)
    }

    pub(crate) fn send(&self, request: Request) -> Answer {
        let answer = http::send(self.address, request);
        self.answers.lock().expect("no test panics here").push(answer.clone());
        answer
    }

    /// Sends a request from a loopback address other than 127.0.0.1.
    pub(crate) fn send_from(&self, source: &str, request: Request) -> Answer {
        Connection::open_from(source, self.address).send(&request.header("Connection", "close"))
    }

    /// Returns all answers so far.
    pub(crate) fn answers(&self) -> Vec<Answer> {
        self.answers.lock().expect("no test panics here").clone()
    }

    /// Returns a client-only access token.
    pub(crate) fn client_token(&self, client: &str) -> String {
        let login = Request::post("/client-identities/login").basic(client, &fixtures::secret_of(client));
        field(&self.send(login).json(), "accessToken")
    }

    pub(crate) fn saml_login(&self, target: &str, body: &Value) -> Answer {
        let gateway = self.client_token("gateway");
        let request = Request::post("/user-identities/handle-auth").query(&[("clientId", target)]);
        self.send(request.bearer(&gateway).json(body))
    }

    /// Returns a validation token for the user with this e-mail at `target`.
    pub(crate) fn validation_token(&self, email: &str, target: &str) -> String {
        let login = self.saml_login(target, &json!({"email": email, "groups": []}));
        field(&login.json(), "validationToken")
    }

    /// Renews with `token` as the client of the access token `bearer`.
    pub(crate) fn renew(&self, bearer: &str, token: &str, remember: &str) -> Answer {
        let request = Request::post("/user-identities/renew-token");
        let request = request.query(&[("token", token), ("remember-me", remember)]);
        self.send(request.bearer(bearer))
    }

    /// Starts a session of the user with this e-mail at the portal, and returns the token response.
    pub(crate) fn session(&self, email: &str) -> Value {
        let (portal, token) = (self.client_token("portal"), self.validation_token(email, "portal"));
        let renewed = self.renew(&portal, &token, "true");
        assert_eq!(renewed.status, 200, "{}", renewed.summary());
        renewed.json()
    }

    /// Starts a session of the user with this e-mail at the portal, and returns its access and refresh token.
    pub(crate) fn session_tokens(&self, email: &str) -> (String, String) {
        let tokens = self.session(email);
        (field(&tokens, "accessToken"), field(&tokens, "refreshToken"))
    }

    /// Returns the stored family of a refresh token.
    pub(crate) fn family(&self, token: &str) -> RefreshFamily {
        let id = token.strip_prefix("rt_").and_then(|text| text.split('.').next());
        let id = FamilyId::parse(id.expect("a refresh token")).expect("a valid id");
        let family = self.wait_for(self.stores.refresh_families.find(&id));
        family.expect("the store answers").expect("the family exists")
    }

    /// Returns an access token of the user with this e-mail at `client`, without a session.
    pub(crate) fn user_token(&self, email: &str, client: &str) -> String {
        let (bearer, token) = (self.client_token(client), self.validation_token(email, client));
        field(&self.renew(&bearer, &token, "false").json(), "accessToken")
    }

    pub(crate) fn lock_or_unlock(&self, operation: &str, user: &str) -> Answer {
        let locker = self.client_token("locker");
        let request = Request::post(&format!("/user-identities/{operation}"));
        self.send(request.bearer(&locker).json(&json!({"userId": user})))
    }

    /// Publishes all events, and reads the event log over HTTP.
    pub(crate) fn events(&self) -> Vec<Value> {
        let outboxes = self.stores.upkeep.outboxes(&all_aggregates());
        self.wait_for(publish_all(&self.relay, &*outboxes));
        let request = Request::get("/events").query(&[("after", "0"), ("wait", "0")]);
        let answer = self.send(request.bearer(&self.client_token("locker")));
        assert_eq!(answer.status, 200, "{}", answer.summary());
        let event = |line: &str| serde_json::from_str(line).expect("an event is JSON");
        let events: Vec<Value> = answer.text().lines().map(event).collect();
        events.iter().for_each(assert_fits_its_schema);
        events
    }

    /// Returns the types of the events about a user, in the order of the log.
    pub(crate) fn event_types(&self, user: &str) -> Vec<String> {
        let mut events = self.events();
        events.retain(|event| event["partitionkey"] == user);
        events.iter().map(|event| field(event, "type")).collect()
    }
}

impl Drop for TestApp {
    fn drop(&mut self) {
        if let Some((handle, thread)) = self.server.take() {
            // `stop` sends the command before its future is awaited. The thread ends when the server has stopped.
            drop(handle.stop(false));
            let _ = thread.join();
        }
    }
}

type RunningServer = (ServerHandle, JoinHandle<()>);

fn serve(api: adapter_http::Api, settings: adapter_http::ApiSettings) -> (SocketAddr, RunningServer) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("a port has an address");
    let (sender, receiver) = mpsc::channel();
    let thread = std::thread::spawn(move || {
        actix_web::rt::System::new().block_on(async move {
            let server = adapter_http::serve(api, settings, listener).expect("the port is served");
            sender.send(server.handle()).expect("the test waits");
            server.await.expect("the server ends without an error");
        });
    });
    (address, (receiver.recv().expect("the server starts"), thread))
}

/// Returns a text member of a JSON object.
#[track_caller]
pub(crate) fn field(object: &Value, name: &str) -> String {
    let text = object[name].as_str();
    text.unwrap_or_else(|| panic!("{object} has no {name}")).to_owned()
}
