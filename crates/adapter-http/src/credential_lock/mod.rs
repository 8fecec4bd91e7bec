//! The credential lock over HTTP.

mod get_lock;
mod lock_credential;
mod lock_request;
mod routes;
mod unlock_credential;

use actix_web::web;
use use_cases::credential_lock::CredentialLockUseCases;

use crate::module::Module;

pub use routes::routes;

/// Returns the endpoints of the context.
pub fn module(credential_lock: CredentialLockUseCases) -> Module {
    let credential_lock = web::Data::new(credential_lock);
    Module::new("credential-lock", routes, move |config| {
        config.app_data(credential_lock.clone());
    })
}
