use std::sync::Arc;

use actix_web::web;

use crate::description::Description;
use crate::endpoints::Endpoints;

/// The part of a context in the API.
#[derive(Clone)]
pub struct Module {
    /// The name of the context, such as `credential-lock`.
    pub name: &'static str,
    /// Registers its paths.
    pub routes: fn(Endpoints) -> Endpoints,
    /// Registers what its endpoints share, with the application of each worker.
    pub state: Arc<dyn Fn(&mut web::ServiceConfig) + Send + Sync>,
}

impl Module {
    pub(crate) fn new(
        name: &'static str,
        routes: fn(Endpoints) -> Endpoints,
        state: impl Fn(&mut web::ServiceConfig) + Send + Sync + 'static,
    ) -> Self {
        Self {
            name,
            routes,
            state: Arc::new(state),
        }
    }
}

/// Describes the paths of a context.
pub fn describe(routes: fn(Endpoints) -> Endpoints) -> Description {
    routes(Endpoints::default()).into_parts().1
}
