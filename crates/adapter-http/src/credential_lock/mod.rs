//! The credential lock over HTTP.

mod lock_credential;
mod routes;
mod see_lock;
mod turn;
mod unlock_credential;

pub(crate) use routes::routes;
