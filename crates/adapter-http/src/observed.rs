//! What is known of a request by its end, beside its answer.

use std::sync::Arc;

use actix_web::http::Method;
use actix_web::{HttpMessage as _, HttpRequest};
use domain::caller::{Call, Caller, RequestContext};
use domain::ids::ClientId;
use utoipa::openapi::path::HttpMethod;

/// The operations of a resource, for whoever observes its requests.
#[derive(Clone)]
pub(crate) struct Operations(Arc<[ObservedOperation]>);

/// An operation as the audit trail knows it.
pub(crate) struct ObservedOperation {
    pub(crate) method: Method,
    /// Its id in the API description.
    pub(crate) id: String,
    /// Whether a successful answer means that something was changed and nothing else records it.
    pub(crate) records_success: bool,
}

/// Whether a success is recorded.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Success {
    #[default]
    Recorded,
    Unrecorded,
}

/// A method of a description as requests have it.
pub(crate) fn in_http(method: &HttpMethod) -> Method {
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

impl FromIterator<ObservedOperation> for Operations {
    fn from_iter<I: IntoIterator<Item = ObservedOperation>>(operations: I) -> Self {
        Self(operations.into_iter().collect())
    }
}

impl Operations {
    pub(crate) fn of(&self, method: &Method) -> Option<&ObservedOperation> {
        self.0.iter().find(|operation| operation.method == *method)
    }
}

/// Kept in the request's extensions: made before anything of the request is read, filled while it is served.
pub(crate) struct Observed {
    pub(crate) request: RequestContext,
    /// Of a token that was verified, whether or not it was let in afterwards.
    pub(crate) caller: Option<Arc<Caller>>,
    /// A client that proved who it is without a token.
    pub(crate) client: Option<ClientId>,
    /// What the request is about, as kind and id. The ids of the path are added at the end.
    pub(crate) objects: Vec<(&'static str, String)>,
}

impl Observed {
    pub(crate) fn new(request: RequestContext) -> Self {
        Self {
            request,
            caller: None,
            client: None,
            objects: Vec::new(),
        }
    }

    /// The call of a verified caller.
    pub(crate) fn call(&self) -> Option<Call> {
        self.caller.as_ref().map(|caller| Call {
            caller: caller.clone(),
            request: self.request.clone(),
        })
    }
}

/// Says which client proved who it is.
pub(crate) fn logged_in(request: &HttpRequest, client: Option<ClientId>) {
    if let Some(observed) = request.extensions_mut().get_mut::<Observed>() {
        observed.client = client;
    }
}

/// Says what a request is about where its path does not: the object for the audit trail.
pub(crate) fn concerns(request: &HttpRequest, kind: &'static str, id: &str) {
    if let Some(observed) = request.extensions_mut().get_mut::<Observed>() {
        observed.objects.push((kind, id.to_owned()));
    }
}
