//! Sessions and tokens over HTTP.

mod change_app;
mod handle_auth;
mod introspect_token;
mod list_public_keys;
mod log_in_client;
mod problems;
mod renew_token;
mod revoke_token;
mod routes;
mod token_request;
mod token_response;
mod validation_token_response;

pub(crate) use routes::routes;
