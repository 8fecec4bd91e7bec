//! A user's contacts over HTTP.

mod add_contacts;
mod contact_request;
mod list_own_contacts;
mod routes;

pub(crate) use routes::routes;
