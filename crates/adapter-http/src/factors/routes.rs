use super::{add_contacts, list_own_contacts};
use crate::endpoints::Endpoints;

/// The URL map of the context; `me` stands before `{id}`.
pub(crate) fn routes(api: Endpoints) -> Endpoints {
    api.at("/user-identities/me/authentication-factors", |at| {
        at.get(list_own_contacts::handle, list_own_contacts::describe)
            .post(add_contacts::handle_own, add_contacts::describe_own)
    })
    .at("/user-identities/{id}/authentication-factors", |at| {
        at.post(add_contacts::handle, add_contacts::describe)
    })
}
