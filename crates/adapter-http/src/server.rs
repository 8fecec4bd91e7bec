use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::Server;
use actix_web::http::StatusCode;
use actix_web::middleware::from_fn;
use actix_web::{App, HttpServer, web};
use ports::{Randomness, Telemetry};
use tokio::sync::watch;
use use_cases::FollowEvents;
use use_cases::credential_lock::CredentialLock;
use use_cases::factors::Factors;
use use_cases::tokens::Tokens;

use crate::docs::{self, Document};
use crate::endpoints::{Description, Endpoints, page};
use crate::events::{self, Stopping};
use crate::login_guard::LoginGuard;
use crate::observe::{Observer, observe};
use crate::problem::{Code, Problem};
use crate::{Gatekeeper, LoginGuardSettings, TrustedProxies, credential_lock, factors, tokens};

/// How the port behaves.
#[derive(Debug, Clone)]
pub struct ApiSettings {
    pub workers: usize,
    pub trusted_proxies: TrustedProxies,
    /// How long a verifier may keep the key set.
    pub key_set_cache_time: Duration,
    /// How long a stop waits for requests in flight.
    pub shutdown_timeout: Duration,
    /// How many client logins may fail; says nothing where the tokens are not served.
    pub login_guard: LoginGuardSettings,
}

/// What is served: any of the contexts, and what all of them need.
#[derive(Clone)]
pub struct Api {
    pub tokens: Option<Arc<Tokens>>,
    pub factors: Option<Arc<Factors>>,
    pub credential_lock: Option<Arc<CredentialLock>>,
    pub follow_events: Option<Arc<FollowEvents>>,
    pub gatekeeper: Gatekeeper,
    pub telemetry: Arc<dyn Telemetry>,
    pub randomness: Arc<dyn Randomness>,
    /// Turns true when the process begins to stop.
    pub stopping: watch::Receiver<bool>,
}

/// The description of the contexts named `tokens`, `factors` and `credential-lock`; `None` for another name.
pub fn description(context: &str) -> Option<Description> {
    let endpoints = match context {
        "tokens" => tokens::routes(Endpoints::default()),
        "factors" => factors::routes(Endpoints::default()),
        "credential-lock" => credential_lock::routes(Endpoints::default()),
        "events" => events::routes(Endpoints::default()),
        _ => return None,
    };
    Some(endpoints.into_parts().1)
}

impl Api {
    fn endpoints(&self) -> Endpoints {
        let mut endpoints = Endpoints::default();
        if self.tokens.is_some() {
            endpoints = tokens::routes(endpoints);
        }
        if self.factors.is_some() {
            endpoints = factors::routes(endpoints);
        }
        if self.credential_lock.is_some() {
            endpoints = credential_lock::routes(endpoints);
        }
        if self.follow_events.is_some() {
            endpoints = events::routes(endpoints);
        }
        endpoints
    }

    /// Routes and their data, for one application on its own.
    pub fn configure(&self, settings: &ApiSettings, config: &mut web::ServiceConfig) {
        let login_guard = web::Data::new(LoginGuard::new(settings.login_guard));
        self.configure_behind(login_guard, settings, config);
    }

    /// The applications of all workers share the guard: a caller cannot choose its worker.
    fn configure_behind(
        &self,
        login_guard: web::Data<LoginGuard>,
        settings: &ApiSettings,
        config: &mut web::ServiceConfig,
    ) {
        let (resources, description) = self.endpoints().into_parts();
        let document = description.into_document("AuthMe").to_json().unwrap_or_default();
        config
            .app_data(web::Data::new(self.gatekeeper.clone()))
            .app_data(web::Data::new(Observer {
                telemetry: self.telemetry.clone(),
                randomness: self.randomness.clone(),
            }))
            .app_data(login_guard)
            .app_data(web::Data::new(settings.clone()))
            .app_data(web::Data::new(settings.trusted_proxies.clone()))
            .app_data(web::Data::new(Stopping(self.stopping.clone())))
            .app_data(web::Data::new(Document(document)));
        if let Some(tokens) = &self.tokens {
            config.app_data(web::Data::from(tokens.clone()));
        }
        if let Some(factors) = &self.factors {
            config.app_data(web::Data::from(factors.clone()));
        }
        if let Some(credential_lock) = &self.credential_lock {
            config.app_data(web::Data::from(credential_lock.clone()));
        }
        if let Some(follow_events) = &self.follow_events {
            config.app_data(web::Data::from(follow_events.clone()));
        }
        for resource in resources {
            config.service(resource);
        }
        config
            .service(page("/openapi.json", docs::document))
            .service(page("/docs", docs::page))
            .service(page("/docs/scalar.js", docs::script))
            .default_service(web::to(not_found));
    }
}

async fn not_found() -> Result<&'static str, Problem> {
    Err(Problem::new(
        StatusCode::NOT_FOUND,
        Code::Malformed,
        "the path is not known",
    ))
}

/// Serves the API until the returned server is stopped.
pub fn serve(api: Api, settings: ApiSettings, listener: TcpListener) -> std::io::Result<Server> {
    let (workers, shutdown) = (settings.workers, settings.shutdown_timeout);
    let login_guard = web::Data::new(LoginGuard::new(settings.login_guard));
    let server = HttpServer::new(move || {
        App::new()
            .wrap(from_fn(observe))
            .configure(|config| api.configure_behind(login_guard.clone(), &settings, config))
    });
    let server = server
        .workers(workers)
        .disable_signals()
        .shutdown_timeout(shutdown.as_secs())
        // A caller who hangs up is not worked for any more: what it asked for must not be decided after others were
        // answered.
        .h1_allow_half_closed(false);
    Ok(server.keep_alive(Duration::from_secs(75)).listen(listener)?.run())
}
