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

use std::time::Duration;

use actix_web::web;
use use_cases::tokens::TokensUseCases;

use crate::login_guard::LoginGuard;
use crate::module::Module;
use crate::settings::LoginGuardSettings;

pub use routes::routes;

/// The settings of the context's endpoints.
#[derive(Debug, Clone)]
pub struct TokensApiSettings {
    /// The time for which other verifiers may cache the key set: its `max-age`.
    pub key_set_cache_time: Duration,
    /// True if the token of a renewal may be in the query, which access logs of proxies record.
    pub accepts_query_tokens: bool,
    /// The limits on failed client logins.
    pub login_guard: LoginGuardSettings,
}

/// Returns the endpoints of the context. The limits of logins hold for all workers together.
pub fn module(tokens: TokensUseCases, settings: TokensApiSettings) -> Module {
    let guard = web::Data::new(LoginGuard::new(settings.login_guard));
    let (tokens, settings) = (web::Data::new(tokens), web::Data::new(settings));
    Module::new("tokens", routes, move |config| {
        config
            .app_data(tokens.clone())
            .app_data(settings.clone())
            .app_data(guard.clone());
    })
}
