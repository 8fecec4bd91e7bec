//! The directory over HTTP.

mod remove_user;

use actix_web::web;
use use_cases::directory::DirectoryUseCases;

use crate::endpoints::Endpoints;
use crate::module::Module;

/// Registers the paths of the context. Routes match in order, so `me` comes before `{id}`.
pub fn routes(api: Endpoints) -> Endpoints {
    api.at("/user-identities/me", |at| {
        at.delete(remove_user::handle_own, remove_user::describe_own)
    })
    .at("/user-identities/{id}", |at| {
        at.delete(remove_user::handle, remove_user::describe)
    })
}

/// Returns the endpoints of the context.
pub fn module(directory: DirectoryUseCases) -> Module {
    let directory = web::Data::new(directory);
    Module::new("directory", routes, move |config| {
        config.app_data(directory.clone());
    })
}
