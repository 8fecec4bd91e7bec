//! The API reference: a page that works without any network but this port.

use actix_web::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY};
use actix_web::{HttpResponse, web};
use serde_json::json;

/// The description as it is served.
pub(crate) struct Document(pub(crate) String);

const SCRIPT: &str = "/docs/scalar.js";

/// Nothing is loaded from anywhere else, and nothing is sent there.
const POLICY: &str = "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; \
                      img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'";

pub(crate) async fn document(document: web::Data<Document>) -> HttpResponse {
    HttpResponse::Ok()
        .content_type("application/json")
        .body(document.0.clone())
}

pub(crate) async fn page() -> HttpResponse {
    let configuration = json!({
        "url": "/openapi.json",
        "withDefaultFonts": false,
        "telemetry": false,
        "hideClientButton": true,
        "agent": {"disabled": true},
        "mcp": {"disabled": true},
        "showDeveloperTools": "never",
    });
    let page = scalar_api_reference::scalar_html(&configuration, Some(SCRIPT));
    HttpResponse::Ok()
        .content_type("text/html; charset=utf-8")
        .insert_header((CONTENT_SECURITY_POLICY, POLICY))
        .body(page.replace("<title>Scalar API Reference</title>", "<title>AuthMe API</title>"))
}

pub(crate) async fn script() -> HttpResponse {
    match scalar_api_reference::get_asset("scalar.js") {
        Some(script) => HttpResponse::Ok()
            .content_type("text/javascript; charset=utf-8")
            .insert_header((CACHE_CONTROL, "public, max-age=86400"))
            .body(script),
        None => HttpResponse::NotFound().finish(),
    }
}
