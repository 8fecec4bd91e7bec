//! Around every request: its id, its figures, and the one line that says what went wrong.

use std::error::Error;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Instant;

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::ConnectionType;
use actix_web::http::header::{HeaderName, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use actix_web::middleware::Next;
use actix_web::{Error as ActixError, HttpMessage as _, HttpRequest, ResponseError as _, web};
use domain::caller::RequestContext;
use ports::{Measure, Randomness, RequestMethod, RouteTemplate, Telemetry};

use crate::events::Stopping;
use crate::path::refuse_respelled;
use crate::peer::TrustedProxies;
use crate::problem::Problem;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// What observing needs.
#[derive(Clone)]
pub(crate) struct Observer {
    pub(crate) telemetry: Arc<dyn Telemetry>,
    pub(crate) randomness: Arc<dyn Randomness>,
    pub(crate) stopping: Stopping,
}

pub(crate) async fn observe(
    observer: web::Data<Observer>,
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, ActixError> {
    let begun = Instant::now();
    let id = context(request.request())?.id;
    let mut response = match refuse_respelled(request.path()) {
        None => next.call(request).await?.map_into_left_body(),
        Some(problem) => request.into_response(problem.error_response()).map_into_right_body(),
    };
    let status = response.status();
    // The template, never the path or the query: both may hold what must not be logged.
    let route = response.request().app_data::<RouteTemplate>().copied();
    let route = route.unwrap_or(RouteTemplate::UNMATCHED);
    let method = RequestMethod::named(response.request().method().as_str());
    observer.telemetry.record(Measure::Request {
        method,
        route,
        status: status.as_u16(),
        took: begun.elapsed(),
    });
    if status.is_server_error() {
        let cause = response
            .response()
            .error()
            .and_then(|error| error.as_error::<Problem>()?.cause());
        let cause = cause.map_or_else(|| "not told".to_owned(), |cause| chain(cause));
        tracing::error!(request_id = %id, method = method.as_str(), %route, status = status.as_u16(), cause, "a request failed");
    } else {
        tracing::debug!(request_id = %id, method = method.as_str(), %route, status = status.as_u16(), "a request was answered");
    }
    let headers = response.headers_mut();
    if let Ok(id) = HeaderValue::from_str(&id) {
        headers.insert(REQUEST_ID, id);
    }
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if observer.stopping.has_begun() {
        let head = response.response_mut().head_mut();
        head.set_connection_type(ConnectionType::Close);
    }
    Ok(response)
}

/// What is known of a request before anything of it is read; the same for whoever asks.
pub(crate) fn context(request: &HttpRequest) -> Result<RequestContext, Problem> {
    if let Some(context) = request.extensions().get::<RequestContext>() {
        return Ok(context.clone());
    }
    let observer = request.app_data::<web::Data<Observer>>();
    let observer = observer.ok_or_else(|| Problem::unexpected("no observer was registered"))?;
    let proxies = request.app_data::<web::Data<TrustedProxies>>();
    let context = RequestContext {
        id: request_id(request, &*observer.randomness).into(),
        address: proxies.and_then(|proxies| proxies.caller_address(request)),
    };
    request.extensions_mut().insert(context.clone());
    Ok(context)
}

/// A caller's own id is kept when it is a plain one, so that a request can be followed across services.
fn request_id(request: &HttpRequest, randomness: &dyn Randomness) -> String {
    let given = request.headers().get(&REQUEST_ID).and_then(|id| id.to_str().ok());
    let is_plain = |id: &&str| {
        (1..=64).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    given
        .filter(is_plain)
        .map_or_else(|| domain::hex::encode(&randomness.object_id()), str::to_owned)
}

/// An error and all that lies behind it, on one line.
fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let _ = write!(text, ": {cause}");
        source = cause.source();
    }
    text
}
