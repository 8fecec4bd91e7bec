//! A user's contacts over HTTP.

mod add_contacts;
mod change_contact;
mod contact_request;
mod list_own_contacts;
mod masked_contact;
mod problems;
mod remove_contact;
mod routes;
mod send_code;
mod validate_code;

use actix_web::web;
use use_cases::factors::FactorsUseCases;

use crate::module::Module;

pub use routes::routes;

/// Returns the endpoints of the context.
pub fn module(factors: FactorsUseCases) -> Module {
    let factors = web::Data::new(factors);
    Module::new("factors", routes, move |config| {
        config.app_data(factors.clone());
    })
}
