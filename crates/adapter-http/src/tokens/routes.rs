use super::{change_app, handle_auth, introspect_token, list_public_keys, log_in_client, renew_token, revoke_token};
use crate::endpoints::Endpoints;

/// Registers the paths of the context.
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
