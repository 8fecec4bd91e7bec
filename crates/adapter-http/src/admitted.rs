//! The look at the caller's token: after the request was read, before the endpoint begins, on every route.

use std::pin::Pin;
use std::sync::Arc;

use actix_web::dev::Payload;
use actix_web::{FromRequest, Handler, HttpMessage as _, HttpRequest, Responder, web};
use domain::caller::Caller;
use domain::ids::UserId;
use use_cases::Admission;

use crate::Authenticator;
use crate::problem::Problem;

/// What is still to be asked about a caller whose token was verified.
pub(crate) struct PendingAdmission {
    pub(crate) gatekeeper: web::Data<Authenticator>,
    pub(crate) caller: Arc<Caller>,
    pub(crate) admission: Admission,
    /// The user the request names.
    pub(crate) about: Option<UserId>,
}

impl PendingAdmission {
    async fn run(self) -> Result<(), Problem> {
        let Self {
            gatekeeper,
            caller,
            admission,
            about,
        } = self;
        let admit_caller = &gatekeeper.admit_caller;
        Ok(admit_caller.run(&caller, admission, about.as_ref()).await?)
    }
}

/// The arguments of an endpoint, all of them read, and what is still to be asked about its caller.
pub(crate) struct Admitted<Args> {
    args: Args,
    due: Option<PendingAdmission>,
}

impl<Args: FromRequest + 'static> FromRequest for Admitted<Args> {
    type Error = actix_web::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self, actix_web::Error>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let args = Args::from_request(request, payload);
        let request = request.clone();
        Box::pin(async move {
            let args = args.await.map_err(Into::into)?;
            // A body may take ten seconds to arrive: the look comes after it.
            let due = request.extensions_mut().remove::<PendingAdmission>();
            Ok(Self { args, due })
        })
    }
}

/// An endpoint whose caller is looked at before it begins.
#[derive(Clone)]
pub(crate) struct WithAdmission<F>(pub(crate) F);

impl<F, Args> Handler<Admitted<Args>> for WithAdmission<F>
where
    F: Handler<Args>,
    F::Output: Responder + 'static,
    F::Future: 'static,
    Args: FromRequest + 'static,
{
    type Output = Result<F::Output, Problem>;
    type Future = Pin<Box<dyn Future<Output = Self::Output>>>;

    fn call(&self, Admitted { args, due }: Admitted<Args>) -> Self::Future {
        let endpoint = self.0.clone();
        Box::pin(async move {
            if let Some(due) = due {
                due.run().await?;
            }
            Ok(endpoint.call(args).await)
        })
    }
}
