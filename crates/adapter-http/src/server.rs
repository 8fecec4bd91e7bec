use std::future::ready;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use actix_http::HttpService;
use actix_service::{ServiceFactoryExt as _, fn_service, map_config};
use actix_web::dev::{AppConfig, Server};
use actix_web::http::StatusCode;
use actix_web::middleware::from_fn;
use actix_web::{App, web};
use ports::{AuditTrail, Randomness, Telemetry};
use tokio::sync::watch;

use crate::acceptor::Acceptor;
use crate::audit::AuditRecorder;
use crate::authenticator::Authenticator;
use crate::docs::{self, Document};
use crate::endpoints::{Endpoints, page};
use crate::instrumentation::{Instrumentation, instrument};
use crate::module::Module;
use crate::problem::{Code, Problem};
use crate::request_limits::RequestLimiter;
use crate::settings::ApiSettings;
use crate::shutdown::Shutdown;

/// The time for which a connection without a request is kept. Common proxies close their connections after a minute. If
/// the server closed first, a request that the proxy sends at that moment would be lost.
const KEEP_ALIVE: Duration = Duration::from_secs(75);

/// The time limit for the first request head of a connection to arrive. A slow head holds a connection; five seconds
/// suffice on a bad mobile connection.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);

/// The time limit for closing a connection. Then the socket is dropped.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// The contexts that are served, and the ports that all of them need.
#[derive(Clone)]
pub struct Api {
    pub modules: Vec<Module>,
    pub authenticator: Authenticator,
    pub telemetry: Arc<dyn Telemetry>,
    pub randomness: Arc<dyn Randomness>,
    pub audit: Arc<dyn AuditTrail>,
    /// Becomes true when the shutdown begins.
    pub stopping: watch::Receiver<bool>,
}

impl Api {
    fn endpoints(&self) -> Endpoints {
        let modules = self.modules.iter();
        modules.fold(Endpoints::default(), |endpoints, module| (module.routes)(endpoints))
    }

    /// Registers the routes and their data, for a single application.
    pub fn configure(&self, settings: &ApiSettings, config: &mut web::ServiceConfig) {
        self.configure_with(&Shared::new(self, settings), settings, config);
    }

    fn configure_with(&self, shared: &Shared, settings: &ApiSettings, config: &mut web::ServiceConfig) {
        let (resources, _) = self.endpoints().into_parts();
        config
            .app_data(web::Data::new(self.authenticator.clone()))
            .app_data(web::Data::new(Instrumentation {
                telemetry: self.telemetry.clone(),
                randomness: self.randomness.clone(),
                shutdown: Shutdown(self.stopping.clone()),
            }))
            .app_data(shared.request_limiter.clone())
            .app_data(shared.audit_recorder.clone())
            .app_data(shared.document.clone())
            .app_data(web::Data::new(settings.clone()))
            .app_data(web::Data::new(settings.trusted_proxies.clone()))
            .app_data(web::Data::new(Shutdown(self.stopping.clone())));
        for module in &self.modules {
            (module.state)(config);
        }
        for resource in resources {
            config.service(resource);
        }
        config.service(page("/openapi.json", docs::document));
        if settings.http.serves_docs {
            config
                .service(page("/docs", docs::page))
                .service(page("/docs/scalar.js", docs::script));
        }
        config.default_service(web::to(not_found));
    }
}

/// State that the applications of all workers share. A limit per worker would be multiplied by the number of workers.
#[derive(Clone)]
struct Shared {
    request_limiter: web::Data<RequestLimiter>,
    audit_recorder: web::Data<AuditRecorder>,
    document: web::Data<Document>,
}

impl Shared {
    fn new(api: &Api, settings: &ApiSettings) -> Self {
        let (_, description) = api.endpoints().into_parts();
        let document = description.into_document("AuthMe").to_json().unwrap_or_default();
        Self {
            request_limiter: web::Data::new(RequestLimiter::new(settings.limits, api.telemetry.clone())),
            audit_recorder: web::Data::new(AuditRecorder::new(api.audit.clone(), api.authenticator.clock.clone())),
            document: web::Data::new(Document(document.into())),
        }
    }
}

async fn not_found() -> Result<&'static str, Problem> {
    Err(Problem::new(
        StatusCode::NOT_FOUND,
        Code::Malformed,
        "no operation has this path",
    ))
}

/// Serves the API until the returned server is stopped.
pub fn serve(api: Api, settings: ApiSettings, listener: TcpListener) -> std::io::Result<Server> {
    let server = Server::build()
        .workers(settings.http.threads())
        .disable_signals()
        .shutdown_timeout(settings.shutdown_timeout.as_secs());
    let shared = Shared::new(&api, &settings);
    let acceptor = Acceptor::new(api.telemetry.clone(), Shutdown(api.stopping.clone()), &settings);
    let stop = server.graceful_shutdown_signal();
    let server = server.listen("api", listener, move || {
        let (api, settings, shared) = (api.clone(), settings.clone(), shared.clone());
        let app = App::new()
            .wrap(from_fn(instrument))
            .configure(move |config| api.configure_with(&shared, &settings, config));
        let stop = stop.clone();
        let http = HttpService::build()
            .keep_alive(KEEP_ALIVE)
            .client_request_timeout(HEAD_TIMEOUT)
            .client_disconnect_timeout(CLOSE_TIMEOUT)
            // Drops the future of a request when its client hangs up. Without this: A sends a lock and hangs up. B
            // unlocks and gets its 204. A's lock is decided afterwards and undoes B's command (docs/protocols.md "Store
            // rules").
            .h1_allow_half_closed(false)
            .graceful_shutdown_signal(move || {
                let stop = stop.clone();
                async move { stop.notified().await }
            })
            .h1(map_config(app, |()| AppConfig::default()));
        let (acceptor, errors) = (acceptor.clone(), acceptor.clone());
        let accepted = fn_service(move |stream| ready(acceptor.admit(stream)));
        accepted.and_then(http.map_err(move |error| errors.record_error(&error)))
    })?;
    Ok(server.run())
}
