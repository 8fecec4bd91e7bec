//! Whether the process lives and can work.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use actix_web::{HttpResponse, web};
use ports::Readiness;
use serde_json::{Map, Value, json};

/// What readiness depends on.
pub(crate) struct Health {
    pub(crate) checks: Vec<Arc<dyn Readiness>>,
    pub(crate) stopping: Arc<AtomicBool>,
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
        checks.insert(check.name().to_owned(), Value::from(if up { "up" } else { "down" }));
    }
    let status = if all_up { "ready" } else { "not ready" };
    let mut answer = if all_up {
        HttpResponse::Ok()
    } else {
        HttpResponse::ServiceUnavailable()
    };
    answer.json(json!({"status": status, "checks": checks}))
}
