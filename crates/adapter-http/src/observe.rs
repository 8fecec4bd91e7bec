//! Around every request: its id, its figures, and the one line that says what went wrong.

use std::error::Error;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{HeaderName, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use actix_web::http::{ConnectionType, StatusCode};
use actix_web::middleware::Next;
use actix_web::{Error as ActixError, HttpMessage as _, HttpRequest, ResponseError as _, web};
use domain::caller::{Call, Caller, RequestContext};
use domain::ids::{ClientId, UserId};
use ports::{MetricEvent, Randomness, RequestMethod, RouteTemplate, Telemetry};

use crate::audit::Auditor;
use crate::events::Stopping;
use crate::observed::{Observed, Operations};
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
    auditor: web::Data<Auditor>,
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, ActixError> {
    let begun = Instant::now();
    // Made here, so that whatever refuses the request has its id.
    context(request.request())?;
    let mut response = match refuse_respelled(request.path()) {
        None => next.call(request).await?.map_into_left_body(),
        Some(problem) => request.into_response(problem.error_response()).map_into_right_body(),
    };
    let (request, status) = (response.request(), response.status());
    let problem = response
        .response()
        .error()
        .and_then(|error| error.as_error::<Problem>());
    // The template, never the path or the query: both may hold what must not be logged.
    let route = request.app_data::<RouteTemplate>().copied();
    let answered = AnsweredRequest {
        method: RequestMethod::named(request.method().as_str()),
        route: route.unwrap_or(RouteTemplate::UNMATCHED),
        status,
        code: problem.and_then(Problem::code),
        took: begun.elapsed(),
    };
    observer.telemetry.record(MetricEvent::Request {
        method: answered.method,
        route: answered.route,
        status: status.as_u16(),
        took: answered.took,
    });
    let seen = request.extensions_mut().remove::<Observed>();
    let mut id = None;
    if let Some(seen) = seen {
        answered.log(&seen, problem);
        let operations = request.app_data::<Operations>();
        if let Some(operation) = operations.and_then(|operations| operations.of(request.method())) {
            auditor.record(operation, (request, &seen), (status, answered.code));
        }
        id = HeaderValue::from_str(&seen.request.id).ok();
    }
    let headers = response.headers_mut();
    if let Some(id) = id {
        headers.insert(REQUEST_ID, id);
    }
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if observer.stopping.has_begun() {
        let head = response.response_mut().head_mut();
        head.set_connection_type(ConnectionType::Close);
    }
    Ok(response)
}

/// How a request was answered.
struct AnsweredRequest {
    method: RequestMethod,
    route: RouteTemplate,
    status: StatusCode,
    code: Option<&'static str>,
    took: Duration,
}

impl AnsweredRequest {
    /// Its one line of the log; with the cause, which the caller is not told, when it is ours.
    fn log(&self, observed: &Observed, problem: Option<&Problem>) {
        let Self {
            method, route, code, ..
        } = *self;
        let (request_id, status) = (&*observed.request.id, self.status.as_u16());
        let method = method.as_str();
        let address = observed.request.address.map(tracing::field::display);
        let caller = observed.caller.as_ref();
        let of_token = caller.map(|caller| &caller.client);
        let client = of_token.or(observed.client.as_ref()).map(ClientId::as_str);
        let user = caller.and_then(|caller| caller.user_id()).map(UserId::as_str);
        let took_ms = self.took.as_secs_f64() * 1_000.0;
        if self.status.is_server_error() {
            let cause = problem.and_then(Problem::cause);
            let cause = cause.map_or_else(|| "not told".to_owned(), |cause| chain(cause));
            tracing::error!(
                request_id,
                method,
                %route,
                status,
                code,
                client,
                user,
                address,
                took_ms,
                cause,
                "a request failed"
            );
        } else {
            tracing::info!(
                request_id,
                method,
                %route,
                status,
                code,
                client,
                user,
                address,
                took_ms,
                "a request was answered"
            );
        }
    }
}

/// What is known of a request before anything of it is read; the same for whoever asks.
pub(crate) fn context(request: &HttpRequest) -> Result<RequestContext, Problem> {
    if let Some(observed) = request.extensions().get::<Observed>() {
        return Ok(observed.request.clone());
    }
    let observer = request.app_data::<web::Data<Observer>>();
    let observer = observer.ok_or_else(|| Problem::unexpected("no observer was registered"))?;
    let proxies = request.app_data::<web::Data<TrustedProxies>>();
    let context = RequestContext {
        id: request_id(request, &*observer.randomness).into(),
        address: proxies.and_then(|proxies| proxies.caller_address(request)),
    };
    request.extensions_mut().insert(Observed::new(context.clone()));
    Ok(context)
}

/// The call of a caller whose token was verified. It stands in the log whether or not it is let in afterwards.
pub(crate) fn authenticated(request: &HttpRequest, caller: &Arc<Caller>) -> Result<Call, Problem> {
    let context = context(request)?;
    if let Some(observed) = request.extensions_mut().get_mut::<Observed>() {
        observed.caller = Some(caller.clone());
    }
    Ok(Call {
        caller: caller.clone(),
        request: context,
    })
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
