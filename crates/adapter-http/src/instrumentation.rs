//! Middleware around every request: the request id, the metrics, the log line and the audit record.

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
use tracing::Instrument as _;

use crate::audit::AuditRecorder;
use crate::path::reject_needless_escapes;
use crate::peer::TrustedProxies;
use crate::problem::Problem;
use crate::request_record::{AuditedOperations, RequestRecord};
use crate::shutdown::Shutdown;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The ports of the middleware.
#[derive(Clone)]
pub(crate) struct Instrumentation {
    pub(crate) telemetry: Arc<dyn Telemetry>,
    pub(crate) randomness: Arc<dyn Randomness>,
    pub(crate) shutdown: Shutdown,
}

/// Serves a request and records it. Rejects a path with needless escapes before it is routed. During a shutdown, asks
/// the client to close the connection after the response.
pub(crate) async fn instrument(
    instrumentation: web::Data<Instrumentation>,
    audit_recorder: web::Data<AuditRecorder>,
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, ActixError> {
    let started_at = Instant::now();
    // Created before the request is read, so that every response and log line has the id, whatever fails.
    let context = request_context(request.request())?;
    // Formatting its fields costs about 8 µs a request, so it is off at the default level (docs/benchmarks.md).
    let span = tracing::debug_span!(
        "request",
        request_id = &*context.id,
        method = RequestMethod::from_name(request.method().as_str()).as_str(),
        route = tracing::field::Empty
    );
    let mut response = match reject_needless_escapes(request.path()) {
        None => next.call(request).instrument(span).await?.map_into_left_body(),
        Some(problem) => request.into_response(problem.error_response()).map_into_right_body(),
    };
    let (request, status) = (response.request(), response.status());
    let problem = response
        .response()
        .error()
        .and_then(|error| error.as_error::<Problem>());
    // The template only: path and query may contain contacts and tokens.
    let route = request.app_data::<RouteTemplate>().copied();
    let answered = AnsweredRequest {
        method: RequestMethod::from_name(request.method().as_str()),
        route: route.unwrap_or(RouteTemplate::UNMATCHED),
        status,
        code: problem.and_then(Problem::code),
        took: started_at.elapsed(),
    };
    instrumentation.telemetry.record(MetricEvent::Request {
        method: answered.method,
        route: answered.route,
        status: status.as_u16(),
        took: answered.took,
    });
    let record = request.extensions_mut().remove::<RequestRecord>();
    let mut id = None;
    if let Some(record) = record {
        answered.log(&record, problem);
        let operations = request.app_data::<AuditedOperations>();
        if let Some(operation) = operations.and_then(|operations| operations.find(request.method())) {
            audit_recorder.record(operation, (request, &record), (status, answered.code));
        }
        id = HeaderValue::from_str(&record.request.id).ok();
    }
    let headers = response.headers_mut();
    if let Some(id) = id {
        headers.insert(REQUEST_ID, id);
    }
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if instrumentation.shutdown.has_begun() {
        let head = response.response_mut().head_mut();
        head.set_connection_type(ConnectionType::Close);
    }
    Ok(response)
}

/// The method, route and result of a request.
struct AnsweredRequest {
    method: RequestMethod,
    route: RouteTemplate,
    status: StatusCode,
    code: Option<&'static str>,
    took: Duration,
}

impl AnsweredRequest {
    /// Writes the log line of the request. The line of a 5xx has the cause, which the response does not contain.
    fn log(&self, record: &RequestRecord, problem: Option<&Problem>) {
        let Self {
            method, route, code, ..
        } = *self;
        let (request_id, status) = (&*record.request.id, self.status.as_u16());
        let method = method.as_str();
        let address = record.request.address.map(tracing::field::display);
        let caller = record.caller.as_ref();
        let token_client = caller.map(|caller| &caller.client);
        let client = token_client.or(record.client.as_ref()).map(ClientId::as_str);
        let user = caller.and_then(|caller| caller.user_id()).map(UserId::as_str);
        let took_ms = self.took.as_secs_f64() * 1_000.0;
        if self.status.is_server_error() {
            let cause = problem.and_then(Problem::cause);
            let cause = cause.map_or_else(|| "unknown".to_owned(), |cause| error_chain(cause));
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

/// Returns the id and address of a request. The first call creates both and the record of the request; later calls
/// return the same values.
pub(crate) fn request_context(request: &HttpRequest) -> Result<RequestContext, Problem> {
    if let Some(record) = request.extensions().get::<RequestRecord>() {
        return Ok(record.request.clone());
    }
    let instrumentation = request.app_data::<web::Data<Instrumentation>>();
    let instrumentation =
        instrumentation.ok_or_else(|| Problem::unexpected("the application has no instrumentation"))?;
    let proxies = request.app_data::<web::Data<TrustedProxies>>();
    let context = RequestContext {
        id: request_id(request, &*instrumentation.randomness).into(),
        address: proxies.and_then(|proxies| proxies.caller_address(request)),
    };
    request.extensions_mut().insert(RequestRecord::new(context.clone()));
    Ok(context)
}

/// Records a caller whose token was verified, and returns the call. The log line names the caller even if the request
/// is refused afterwards.
pub(crate) fn record_caller(request: &HttpRequest, caller: &Arc<Caller>) -> Result<Call, Problem> {
    let context = request_context(request)?;
    if let Some(record) = request.extensions_mut().get_mut::<RequestRecord>() {
        record.caller = Some(caller.clone());
    }
    Ok(Call {
        caller: caller.clone(),
        request: context,
    })
}

/// Returns the id in the request if it has 1 to 64 characters of `A-Z a-z 0-9 _ -`, so that a request can be followed
/// across services. Returns a random id otherwise.
fn request_id(request: &HttpRequest, randomness: &dyn Randomness) -> String {
    let given = request.headers().get(&REQUEST_ID).and_then(|id| id.to_str().ok());
    let is_plain = |id: &&str| {
        (1..=64).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    given
        .filter(is_plain)
        .map_or_else(|| domain::hex::encode(&randomness.object_id()), str::to_owned)
}

/// Formats an error and its sources on one line.
fn error_chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let _ = write!(text, ": {cause}");
        source = cause.source();
    }
    text
}
