use std::sync::Arc;

use domain::caller::CallingUser;
use domain::client::Visibility;
use domain::factors::{OwnContact, own_contacts};
use domain::ids::ClientId;
use ports::factors::FactorSets;
use ports::{Clients, StoreError};

use super::FactorsPorts;
use super::find_with_owner::find_with_owner;

/// The reason why the contacts cannot be listed.
#[derive(Debug, thiserror::Error)]
pub enum ListOwnContactsError {
    #[error("the user has no record")]
    UserNotFound,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Lists a user's contacts as the calling client may show them.
pub struct ListOwnContacts {
    factor_sets: Arc<dyn FactorSets>,
    clients: Arc<dyn Clients>,
}

impl ListOwnContacts {
    pub(super) fn new(ports: &FactorsPorts) -> Self {
        Self {
            factor_sets: ports.stores.factor_sets.clone(),
            clients: ports.stores.clients.clone(),
        }
    }

    /// Returns the visible contacts. A client that is not registered sees only those that the user logs in with. The
    /// token may be inactive, but a token of a removed user shows no contacts of a later user of the id.
    #[tracing::instrument(
        level = "debug",
        name = "list_own_contacts",
        skip_all,
        fields(client = client.as_str(), user = user.id.as_str())
    )]
    pub async fn run(&self, client: &ClientId, user: &CallingUser) -> Result<Vec<OwnContact>, ListOwnContactsError> {
        let found = find_with_owner(&*self.factor_sets, &user.id).await?;
        let found = found.filter(|(_, set)| set.belongs_to(user.epoch));
        let (identity, set) = found.ok_or(ListOwnContactsError::UserNotFound)?;
        let visibility = self
            .clients
            .find(client)
            .await?
            .map_or_else(Visibility::default, |client| client.visibility);
        Ok(own_contacts(&identity, &set, visibility))
    }
}
