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
    pub(crate) stopping: Arc<AtomicBool>,
    /// A listener that each check duplicates, to learn whether the process has a file descriptor left.
    pub(crate) spare: Arc<TcpListener>,
}

pub(crate) async fn live() -> HttpResponse {
    HttpResponse::Ok().json(json!({"status": "live"}))
}

pub(crate) async fn ready(health: web::Data<Health>) -> HttpResponse {
    let mut checks = Map::new();
    let mut all_up = !health.stopping.load(Ordering::Relaxed);
    for check in &health.checks {
        let up = check.is_ready().await;
        all_up &= up;
        checks.insert(check.name().to_owned(), Value::from(up_or_down(up)));
    }
    let has_descriptors = health.spare.try_clone().is_ok();
    all_up &= has_descriptors;
    checks.insert("descriptors".to_owned(), Value::from(up_or_down(has_descriptors)));
    let status = if all_up { "ready" } else { "not ready" };
    let mut answer = if all_up {
        HttpResponse::Ok()
    } else {
        HttpResponse::ServiceUnavailable()
    };
    answer.json(json!({"status": status, "checks": checks}))
}

const fn up_or_down(up: bool) -> &'static str {
    if up { "up" } else { "down" }
}
