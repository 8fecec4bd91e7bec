use std::fs;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::time::Duration;

use end_to_end::{Caller, Deployment, Fixtures, Installation, Options, Process, Request, Response, Servers, Service};
use serde_json::json;
use tokio::time::Instant;

/// How long a request is repeated after a 503, because other work on the machine can delay the store.
const RETRY_TIMEOUT: Duration = Duration::from_secs(30);

/// An installation with its registered clients.
pub(crate) struct Setup {
    pub(crate) installation: Installation,
    fixtures: Fixtures,
}

/// Clients with their access tokens, and a caller of the services.
#[derive(Clone)]
pub(crate) struct Clients {
    pub(crate) caller: Caller,
    pub(crate) fixtures: Fixtures,
    pub(crate) desk: String,
    pub(crate) portal: String,
    pub(crate) gateway: String,
}

impl Setup {
    pub(crate) async fn new(servers: &Servers) -> Self {
        let installation = Installation::new(servers).await;
        Self {
            fixtures: installation.register_fixtures().await,
            installation,
        }
    }

    /// Registers users that no other trial has, and returns their ids.
    pub(crate) async fn register_users(&self, count: usize) -> Vec<String> {
        let random_suffix = RandomState::new().build_hasher().finish();
        let users: Vec<String> = (0..count)
            .map(|number| format!("user-{random_suffix:016x}-{number}"))
            .collect();
        let line = |user: &String| {
            let (email, roles) = (json!({"address": email(user)}), ["AUTH-BASIC", "USER"]);
            json!({"userId": user, "email": email, "roles": roles}).to_string()
        };
        let lines: Vec<String> = users.iter().map(line).collect();
        let file = self
            .installation
            .folder()
            .join(format!("users-{random_suffix:016x}.jsonl"));
        fs::write(&file, lines.join("\n")).expect("a file in the folder");
        let file = file.to_str().expect("the path of the folder is UTF-8");
        self.installation.operate(&["identity", "import", file]).await;
        users
    }

    /// Starts a service. The access tokens that `tokens` issues outlive every trial.
    pub(crate) async fn start(&self, service: Service, options: Options) -> Process {
        let options = match service {
            Service::Tokens => options.setting("tokens.access_token_lifetime", "1h"),
            Service::Factors | Service::CredentialLock => options,
        };
        self.installation.start(service, &options).await
    }

    pub(crate) async fn start_all(&self, options: &Options) -> Deployment {
        let (tokens, factors, credential_lock) = tokio::join!(
            self.start(Service::Tokens, options.clone()),
            self.start(Service::Factors, options.clone()),
            self.start(Service::CredentialLock, options.clone()),
        );
        Deployment {
            tokens,
            factors,
            credential_lock,
        }
    }

    /// Logs the clients in and returns them.
    pub(crate) async fn clients(&self) -> Clients {
        let caller = self.installation.caller();
        Clients {
            desk: caller.client_token(&self.fixtures.desk).await,
            portal: caller.client_token(&self.fixtures.portal).await,
            gateway: caller.client_token(&self.fixtures.gateway).await,
            fixtures: self.fixtures.clone(),
            caller,
        }
    }
}

impl Clients {
    /// Returns the same clients with another caller.
    pub(crate) fn at(&self, caller: Caller) -> Self {
        Self { caller, ..self.clone() }
    }

    /// Returns the request by which the portal starts a session of the user.
    pub(crate) fn session_request(&self, user: &str, remember_me: bool) -> Request {
        let remember_me = if remember_me { "true" } else { "false" };
        let query = [
            ("userId", user),
            ("clientId", &self.fixtures.portal.id),
            ("remember-me", remember_me),
        ];
        self.caller.renew_with(&self.portal, &query)
    }

    /// Returns the request for the state of a lock.
    pub(crate) fn get_lock(&self, user: &str) -> Request {
        let path = format!("/user-identities/{user}/lock");
        let request = self.caller.request(Service::CredentialLock, "GET", &path, &[]);
        request.bearer(&self.desk)
    }

    /// Starts a session of the user and returns its access token.
    pub(crate) async fn user_bearer(&self, user: &str) -> String {
        let minted = send_with_retries(|| self.session_request(user, false)).await;
        minted.expect_status(200).text("accessToken")
    }
}

/// Sends a request, and repeats it after a 503, as a caller should.
pub(crate) async fn send_with_retries(request: impl Fn() -> Request) -> Response {
    let started = Instant::now();
    loop {
        let response = request().send().await;
        if response.status != 503 || started.elapsed() > RETRY_TIMEOUT {
            return response;
        }
    }
}

pub(crate) fn email(user: &str) -> String {
    format!("{user}@example.com")
}
