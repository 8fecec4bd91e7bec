//! Sessions and tokens over HTTP.

mod api_settings;
mod change_app;
mod end_session;
mod end_sessions;
mod handle_auth;
mod introspect_token;
mod list_public_keys;
mod list_sessions;
mod log_in_client;
mod problems;
mod renew_token;
mod revoke_token;
mod session_problems;
mod token_request;
mod token_response;
mod validation_token_response;

use actix_web::web;
use use_cases::tokens::TokensUseCases;

use crate::endpoints::Endpoints;
use crate::login_guard::LoginGuard;
use crate::module::Module;

pub use api_settings::TokensApiSettings;

/// Registers the paths of the context. Routes match in order, so `me` comes before `{id}`.
pub fn routes(api: Endpoints) -> Endpoints {
    api.at("/client-identities/login", |at| {
        at.post(log_in_client::handle, log_in_client::describe)
    })
    .at("/user-identities/handle-auth", |at| {
        at.post(handle_auth::handle, handle_auth::describe)
    })
    .at("/user-identities/renew-token", |at| {
        at.post(renew_token::handle, renew_token::describe)
    })
    .at("/user-identities/me/change-app", |at| {
        at.post(change_app::handle, change_app::describe_own)
    })
    .at("/user-identities/change-app", |at| {
        at.post(change_app::handle, change_app::describe)
    })
    .at("/user-identities/me/revoke-token", |at| {
        at.post(revoke_token::handle, revoke_token::describe)
    })
    .at("/user-identities/me/sessions", |at| {
        at.get(list_sessions::handle_own, list_sessions::describe_own)
            .delete(end_sessions::handle_own, end_sessions::describe_own)
    })
    .at("/user-identities/me/sessions/{sid}", |at| {
        at.delete(end_session::handle_own, end_session::describe_own)
    })
    .at("/user-identities/{id}/sessions", |at| {
        at.get(list_sessions::handle, list_sessions::describe)
            .delete(end_sessions::handle, end_sessions::describe)
    })
    .at("/user-identities/{id}/sessions/{sid}", |at| {
        at.delete(end_session::handle, end_session::describe)
    })
    .at("/tokens/introspect", |at| {
        at.post(introspect_token::handle, introspect_token::describe)
    })
    .at("/keys", |at| {
        at.get(list_public_keys::handle, list_public_keys::describe)
    })
    .at("/.well-known/jwks.json", |at| {
        at.get(list_public_keys::handle, list_public_keys::describe_well_known)
    })
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
