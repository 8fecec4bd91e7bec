//! The API reference: a page that loads everything from this port.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::LazyLock;
use std::task::{Context, Poll};

use actix_web::body::{BodySize, MessageBody};
use actix_web::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY};
use actix_web::web::Bytes;
use actix_web::{HttpResponse, web};
use serde_json::json;

const SCRIPT_PATH: &str = "/docs/scalar.js";

/// Content security policy: the page loads from, and sends to, its own origin only.
const POLICY: &str = "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; \
                      img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'";

/// The number of bytes that actix-http copies into the buffer of a connection at a time. 16 KiB add little to the
/// memory of a connection, and the five megabytes of the script need few system calls.
const CHUNK: usize = 16 * 1024;

/// The script of the page: five megabytes, loaded once per process.
static SCRIPT: LazyLock<Option<Bytes>> =
    LazyLock::new(|| scalar_api_reference::get_asset("scalar.js").map(Bytes::from));

static PAGE: LazyLock<Bytes> = LazyLock::new(|| {
    let configuration = json!({
        "url": "/openapi.json",
        "withDefaultFonts": false,
        "telemetry": false,
        "hideClientButton": true,
        "agent": {"disabled": true},
        "mcp": {"disabled": true},
        "showDeveloperTools": "never",
    });
    let page = scalar_api_reference::scalar_html(&configuration, Some(SCRIPT_PATH));
    page.replace("<title>Scalar API Reference</title>", "<title>AuthMe API</title>")
        .into()
});

/// A static body that all responses share. A connection holds one chunk of it at a time, however slowly its peer reads.
/// A body in one piece would be copied whole into the buffer of each connection, so many slow readers could fill the
/// memory.
pub(crate) struct SharedBody(Bytes);

impl MessageBody for SharedBody {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        BodySize::Sized(self.0.len() as u64)
    }

    fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, Infallible>>> {
        let rest = &mut self.get_mut().0;
        let next = rest.split_to(rest.len().min(CHUNK));
        Poll::Ready((!next.is_empty()).then_some(Ok(next)))
    }
}

/// The `OpenAPI` document as it is served.
pub(crate) struct Document(pub(crate) Bytes);

pub(crate) async fn document(document: web::Data<Document>) -> HttpResponse {
    HttpResponse::Ok()
        .content_type("application/json")
        .body(SharedBody(document.0.clone()))
}

pub(crate) async fn page() -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/html; charset=utf-8")
        .insert_header((CONTENT_SECURITY_POLICY, POLICY))
        .body(SharedBody(PAGE.clone()))
}

pub(crate) async fn script() -> HttpResponse {
    match &*SCRIPT {
        Some(script) => HttpResponse::Ok()
            .content_type("text/javascript; charset=utf-8")
            .insert_header((CACHE_CONTROL, "public, max-age=86400"))
            .body(SharedBody(script.clone())),
        None => HttpResponse::NotFound().finish(),
    }
}

#[cfg(test)]
mod tests {
    use actix_web::body::to_bytes;

    use super::*;

    #[actix_web::test]
    async fn a_shared_body_is_sent_in_chunks_without_a_copy() {
        let bytes: Bytes = (0..CHUNK * 2 + 7).map(|n| u8::try_from(n % 251).unwrap()).collect();
        let mut body = SharedBody(bytes.clone());
        assert_eq!(body.size(), BodySize::Sized(bytes.len() as u64));
        let mut cx = Context::from_waker(std::task::Waker::noop());
        let Poll::Ready(Some(Ok(first))) = Pin::new(&mut body).poll_next(&mut cx) else {
            panic!("the body has no first chunk")
        };
        assert_eq!((first.len(), first.as_ptr()), (CHUNK, bytes.as_ptr()));
        assert_eq!(to_bytes(SharedBody(bytes.clone())).await, Ok(bytes));
    }
}
