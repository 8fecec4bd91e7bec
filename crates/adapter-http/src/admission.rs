//! The active check of the caller's token on every route. It runs after the request was read and before the endpoint
//! begins. See docs/protocols.md "Active check".

use std::pin::Pin;
use std::sync::Arc;

use actix_web::dev::Payload;
use actix_web::{FromRequest, Handler, HttpMessage as _, HttpRequest, Responder, web};
use domain::caller::Caller;
use domain::ids::UserId;
use ports::RouteTemplate;
use tracing::Span;
use use_cases::Admission;

use crate::authenticator::Authenticator;
use crate::problem::Problem;

/// The pending active check of a caller whose token was verified.
pub(crate) struct PendingAdmission {
    pub(crate) authenticator: web::Data<Authenticator>,
    pub(crate) caller: Arc<Caller>,
    pub(crate) admission: Admission,
    /// The user in the path, if there is one.
    pub(crate) target_user: Option<UserId>,
}

impl PendingAdmission {
    async fn run(self) -> Result<(), Problem> {
        let Self {
            authenticator,
            caller,
            admission,
            target_user,
        } = self;
        let admit_caller = &authenticator.admit_caller;
        Ok(admit_caller.run(&caller, admission, target_user.as_ref()).await?)
    }
}

/// The arguments of an endpoint, read completely, and the pending active check of its caller.
pub(crate) struct ArgsWithAdmission<Args> {
    args: Args,
    admission: Option<PendingAdmission>,
}

impl<Args: FromRequest + 'static> FromRequest for ArgsWithAdmission<Args> {
    type Error = actix_web::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self, actix_web::Error>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        if let Some(route) = request.app_data::<RouteTemplate>() {
            // The span of the request begins before the request is routed.
            Span::current().record("route", tracing::field::display(route));
        }
        let args = Args::from_request(request, payload);
        let request = request.clone();
        Box::pin(async move {
            let args = args.await.map_err(Into::into)?;
            // A body may take ten seconds to arrive. A lock that is acknowledged in the meantime must stop the request,
            // so the check runs only after the body was read.
            let admission = request.extensions_mut().remove::<PendingAdmission>();
            Ok(Self { args, admission })
        })
    }
}

/// A handler that runs the active check of its caller before the endpoint `F`.
#[derive(Clone)]
pub(crate) struct WithAdmission<F>(pub(crate) F);

impl<F, Args> Handler<ArgsWithAdmission<Args>> for WithAdmission<F>
where
    F: Handler<Args>,
    F::Output: Responder + 'static,
    F::Future: 'static,
    Args: FromRequest + 'static,
{
    type Output = Result<F::Output, Problem>;
    type Future = Pin<Box<dyn Future<Output = Self::Output>>>;

    fn call(&self, ArgsWithAdmission { args, admission }: ArgsWithAdmission<Args>) -> Self::Future {
        let endpoint = self.0.clone();
        Box::pin(async move {
            if let Some(admission) = admission {
                admission.run().await?;
            }
            Ok(endpoint.call(args).await)
        })
    }
}
