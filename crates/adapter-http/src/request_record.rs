//! Data about a request that is collected while it is served, for the log and the audit trail.

use std::sync::Arc;

use actix_web::http::Method;
use actix_web::{HttpMessage as _, HttpRequest};
use domain::caller::{Call, Caller, RequestContext};
use domain::ids::ClientId;
use utoipa::openapi::path::HttpMethod;

/// The operations of a resource. The middleware finds them in its app data.
#[derive(Clone)]
pub(crate) struct AuditedOperations(Arc<[AuditedOperation]>);

/// The name of an operation in the audit trail, and whether its success is recorded.
pub(crate) struct AuditedOperation {
    pub(crate) method: Method,
    /// The operation id of the API description.
    pub(crate) id: String,
    /// True if the middleware records a successful request: the operation changes something, and its use case does not
    /// write the record itself.
    pub(crate) records_success: bool,
}

/// Selects whether the middleware records a successful request.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Success {
    #[default]
    Recorded,
    Unrecorded,
}

/// Converts a method of the API description to the method of a request.
pub(crate) fn http_method(method: &HttpMethod) -> Method {
    match method {
        HttpMethod::Get => Method::GET,
        HttpMethod::Post => Method::POST,
        HttpMethod::Put => Method::PUT,
        HttpMethod::Delete => Method::DELETE,
        HttpMethod::Options => Method::OPTIONS,
        HttpMethod::Head => Method::HEAD,
        HttpMethod::Patch => Method::PATCH,
        HttpMethod::Trace => Method::TRACE,
    }
}

impl FromIterator<AuditedOperation> for AuditedOperations {
    fn from_iter<I: IntoIterator<Item = AuditedOperation>>(operations: I) -> Self {
        Self(operations.into_iter().collect())
    }
}

impl AuditedOperations {
    pub(crate) fn find(&self, method: &Method) -> Option<&AuditedOperation> {
        self.0.iter().find(|operation| operation.method == *method)
    }
}

/// The record of a request, in its extensions. It is created before the request is read and completed while the request
/// is served.
pub(crate) struct RequestRecord {
    pub(crate) request: RequestContext,
    /// The caller of a verified token, whether or not it was admitted afterwards.
    pub(crate) caller: Option<Arc<Caller>>,
    /// The client that authenticated with its secret.
    pub(crate) client: Option<ClientId>,
    /// The objects of the request, as kind and id. The audit record adds the ids of the path.
    pub(crate) objects: Vec<(&'static str, String)>,
}

impl RequestRecord {
    pub(crate) fn new(request: RequestContext) -> Self {
        Self {
            request,
            caller: None,
            client: None,
            objects: Vec::new(),
        }
    }

    /// Returns the call, if the caller's token was verified.
    pub(crate) fn call(&self) -> Option<Call> {
        self.caller.as_ref().map(|caller| Call {
            caller: caller.clone(),
            request: self.request.clone(),
        })
    }
}

/// Records the client that authenticated with its secret.
pub(crate) fn record_client(request: &HttpRequest, client: Option<ClientId>) {
    if let Some(record) = request.extensions_mut().get_mut::<RequestRecord>() {
        record.client = client;
    }
}

/// Adds an object that the path does not name to the audit record of the request.
pub(crate) fn record_object(request: &HttpRequest, kind: &'static str, id: &str) {
    if let Some(record) = request.extensions_mut().get_mut::<RequestRecord>() {
        record.objects.push((kind, id.to_owned()));
    }
}
