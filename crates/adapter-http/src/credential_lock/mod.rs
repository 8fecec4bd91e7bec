//! The credential lock over HTTP.

mod get_lock;
mod lock_credential;
mod lock_request;
mod routes;
mod unlock_credential;

pub(crate) use routes::routes;
