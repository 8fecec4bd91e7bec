//! The credential lock over HTTP.

mod get_lock;
mod lock_credential;
mod lock_request;
mod unlock_credential;

use actix_web::web;
use use_cases::credential_lock::CredentialLockUseCases;

use crate::endpoints::Endpoints;
use crate::module::Module;

/// Registers the paths of the context.
pub fn routes(api: Endpoints) -> Endpoints {
    api.at("/user-identities/lock", |at| {
        at.post(lock_credential::handle, lock_credential::describe)
    })
    .at("/user-identities/unlock", |at| {
        at.post(unlock_credential::handle, unlock_credential::describe)
    })
    .at("/user-identities/{id}/lock", |at| {
        at.get(get_lock::handle, get_lock::describe)
    })
}

/// Returns the endpoints of the context.
pub fn module(credential_lock: CredentialLockUseCases) -> Module {
    let credential_lock = web::Data::new(credential_lock);
    Module::new("credential-lock", routes, move |config| {
        config.app_data(credential_lock.clone());
    })
}
