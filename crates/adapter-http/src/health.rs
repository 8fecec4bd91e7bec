//! Liveness and readiness of the process.

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use actix_web::{HttpResponse, web};
use ports::Readiness;
use serde_json::{Map, Value, json};

/// The conditions of readiness.
pub(crate) struct Health {
    pub(crate) checks: Vec<Arc<dyn Readiness>>,
    pub(crate) is_stopping: Arc<AtomicBool>,
    /// A listener that every check duplicates. Duplication fails if the process has no file descriptor left.
    pub(crate) listener: Arc<TcpListener>,
}

pub(crate) async fn live() -> HttpResponse {
    HttpResponse::Ok().json(json!({"status": "live"}))
}

pub(crate) async fn ready(health: web::Data<Health>) -> HttpResponse {
    let mut checks = Map::new();
    let mut is_process_ready = !health.is_stopping.load(Ordering::Relaxed);
    for check in &health.checks {
        let is_up = check.is_ready().await;
        is_process_ready &= is_up;
        checks.insert(check.name().to_owned(), Value::from(up_or_down(is_up)));
    }
    let has_descriptors = health.listener.try_clone().is_ok();
    is_process_ready &= has_descriptors;
    checks.insert("descriptors".to_owned(), Value::from(up_or_down(has_descriptors)));
    let status = if is_process_ready { "ready" } else { "not ready" };
    let mut response = if is_process_ready {
        HttpResponse::Ok()
    } else {
        HttpResponse::ServiceUnavailable()
    };
    response.json(json!({"status": status, "checks": checks}))
}

const fn up_or_down(is_up: bool) -> &'static str {
    if is_up { "up" } else { "down" }
}
