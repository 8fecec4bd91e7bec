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

pub(crate) use routes::routes;
