use super::{get_lock, lock_credential, unlock_credential};
use crate::endpoints::Endpoints;

/// Registers the paths of the context.
pub fn routes(api: Endpoints) -> Endpoints {
    api.at("/user-identities/lock", |at| {
        at.post(lock_credential::handle, lock_credential::describe)
    })
    .at("/user-identities/unlock", |at| {
        at.post(unlock_credential::handle, unlock_credential::describe)
    })
    .at("/user-identities/{id}/lock", |at| {
        at.get(get_lock::handle, get_lock::describe)
    })
}
