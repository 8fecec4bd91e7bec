//! Sessions and tokens over HTTP.

mod handle_auth;
mod list_public_keys;
mod log_in_client;
mod refusals;
mod renew_token;
mod routes;
mod token_response;

pub(crate) use routes::routes;
