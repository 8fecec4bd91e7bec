use std::fs;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};

use std::time::Duration;

use end_to_end::{Answer, Caller, Cast, Deployment, Installation, Options, Process, Request, Servers, Service};
use serde_json::json;
use tokio::time::Instant;

/// A machine with other work may keep a store from answering, but not for so long.
const PATIENCE: Duration = Duration::from_secs(30);

/// An installation with its clients.
pub(crate) struct Stage {
    pub(crate) installation: Installation,
    cast: Cast,
}

/// The clients with their access tokens, and the services that they call.
#[derive(Clone)]
pub(crate) struct Clients {
    pub(crate) caller: Caller,
    pub(crate) cast: Cast,
    pub(crate) desk: String,
    pub(crate) portal: String,
    pub(crate) gateway: String,
}

impl Stage {
    pub(crate) async fn new(servers: &Servers) -> Self {
        let installation = Installation::new(servers).await;
        Self {
            cast: installation.cast().await,
            installation,
        }
    }

    /// Registers users nobody else has; their ids.
    pub(crate) async fn users(&self, count: usize) -> Vec<String> {
        let chance = RandomState::new().build_hasher().finish();
        let users: Vec<String> = (0..count)
            .map(|number| format!("user-{chance:016x}-{number}"))
            .collect();
        let line = |user: &String| {
            let (email, roles) = (json!({"address": email(user)}), ["AUTH-BASIC", "USER"]);
            json!({"userId": user, "email": email, "roles": roles}).to_string()
        };
        let lines: Vec<String> = users.iter().map(line).collect();
        let file = self.installation.folder().join(format!("users-{chance:016x}.jsonl"));
        fs::write(&file, lines.join("\n")).expect("a file in the folder");
        let file = file.to_str().expect("a folder with a plain name");
        self.installation.operator(&["identity", "import", file]).await;
        users
    }

    /// Starts a service. Its access tokens outlive every trial.
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

    /// Logs the clients in.
    pub(crate) async fn clients(&self) -> Clients {
        let caller = self.installation.caller();
        Clients {
            desk: caller.client_token(&self.cast.desk).await,
            portal: caller.client_token(&self.cast.portal).await,
            gateway: caller.client_token(&self.cast.gateway).await,
            cast: self.cast.clone(),
            caller,
        }
    }
}

impl Clients {
    /// The same clients, at other services.
    pub(crate) fn at(&self, caller: Caller) -> Self {
        Self { caller, ..self.clone() }
    }

    /// A session of the user, from the portal; the request.
    pub(crate) fn session(&self, user: &str, remember_me: bool) -> Request {
        let remember_me = if remember_me { "true" } else { "false" };
        let query = [
            ("userId", user),
            ("clientId", &self.cast.portal.id),
            ("remember-me", remember_me),
        ];
        self.caller.renew_with(&self.portal, &query)
    }

    /// The state of a credential; the request.
    pub(crate) fn get_lock(&self, user: &str) -> Request {
        let path = format!("/user-identities/{user}/lock");
        let request = self.caller.request(Service::CredentialLock, "GET", &path, &[]);
        request.bearer(&self.desk)
    }

    /// An access token of the user.
    pub(crate) async fn user_bearer(&self, user: &str) -> String {
        let minted = patiently(|| self.session(user, false)).await;
        minted.with_status(200).text("accessToken")
    }
}

/// Asks again while the answer is that a backing service is not reachable, as a caller should.
pub(crate) async fn patiently(ask: impl Fn() -> Request) -> Answer {
    let begun = Instant::now();
    loop {
        let answer = ask().answer().await;
        if answer.status != 503 || begun.elapsed() > PATIENCE {
            return answer;
        }
    }
}

pub(crate) fn email(user: &str) -> String {
    format!("{user}@example.com")
}
