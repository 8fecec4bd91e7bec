//! A user's contacts over HTTP.

mod add_contacts;
mod change_contact;
mod contact_request;
mod list_own_contacts;
mod masked_contact;
mod problems;
mod remove_contact;
mod send_code;
mod validate_code;

use actix_web::web;
use use_cases::factors::FactorsUseCases;

use crate::endpoints::Endpoints;
use crate::module::Module;

/// Registers the paths of the context. Routes match in order, so `me` comes before `{id}`.
pub fn routes(api: Endpoints) -> Endpoints {
    api.at("/user-identities/me/authentication-factors", |at| {
        at.get(list_own_contacts::handle, list_own_contacts::describe)
            .post(add_contacts::handle_own, add_contacts::describe_own)
    })
    .at("/user-identities/me/authentication-factors/{factorId}", |at| {
        at.put(change_contact::handle_own, change_contact::describe_own)
            .delete(remove_contact::handle_own, remove_contact::describe_own)
    })
    .at("/user-identities/me/authentication-factors/{factorId}/token", |at| {
        // An SMS gateway or a mail server may take longer than the deadline. The delivery has its own timeout.
        at.without_deadline().post(send_code::handle, send_code::describe)
    })
    .at(
        "/user-identities/me/authentication-factors/{factorId}/token/validate",
        |at| at.post(validate_code::handle, validate_code::describe),
    )
    .at("/user-identities/{id}/authentication-factors", |at| {
        at.post(add_contacts::handle, add_contacts::describe)
    })
    .at("/user-identities/{id}/authentication-factors/{factorId}", |at| {
        at.patch(change_contact::handle, change_contact::describe)
            .delete(remove_contact::handle, remove_contact::describe)
    })
}

/// Returns the endpoints of the context.
pub fn module(factors: FactorsUseCases) -> Module {
    let factors = web::Data::new(factors);
    Module::new("factors", routes, move |config| {
        config.app_data(factors.clone());
    })
}
