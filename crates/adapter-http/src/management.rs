//! The management port: health and metrics, separate from the API.

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use actix_web::dev::Server;
use actix_web::{App, HttpResponse, HttpServer, web};
use ports::Readiness;

use crate::health::{self, Health};

/// The checks and metrics that the management port serves.
#[derive(Clone)]
pub struct Management {
    pub checks: Vec<Arc<dyn Readiness>>,
    /// True from the beginning of the shutdown. The process is not ready then.
    pub is_stopping: Arc<AtomicBool>,
    /// Renders the metrics in the text format of Prometheus.
    pub metrics: Arc<dyn Fn() -> String + Send + Sync>,
}

impl Management {
    /// Serves the management port on one worker thread until the returned server is stopped.
    pub fn serve(self, listener: TcpListener) -> std::io::Result<Server> {
        let health_listener = Arc::new(listener.try_clone()?);
        let server = HttpServer::new(move || {
            let health_listener = health_listener.clone();
            let Self {
                checks,
                is_stopping: stopping,
                metrics,
            } = self.clone();
            App::new()
                .app_data(web::Data::new(Health {
                    checks,
                    is_stopping: stopping,
                    listener: health_listener,
                }))
                .route("/health/live", web::get().to(health::live))
                .route("/health/ready", web::get().to(health::ready))
                .route(
                    "/metrics",
                    web::get().to(move || {
                        let metrics = metrics();
                        async move {
                            HttpResponse::Ok()
                                .content_type("text/plain; version=0.0.4")
                                .body(metrics)
                        }
                    }),
                )
        });
        Ok(server
            .workers(1)
            .disable_signals()
            .shutdown_timeout(1)
            .listen(listener)?
            .run())
    }
}
