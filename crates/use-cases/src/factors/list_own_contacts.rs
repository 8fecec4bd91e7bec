use std::sync::Arc;

use domain::client::Visibility;
use domain::factors::{OwnContact, own_contacts};
use domain::ids::{ClientId, UserId};
use ports::{Clients, StoreError};

use super::FactorsPorts;
use super::owned_factor_sets::OwnedFactorSets;

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
    factor_sets: OwnedFactorSets,
    clients: Arc<dyn Clients>,
}

impl ListOwnContacts {
    pub(super) fn new(ports: &FactorsPorts) -> Self {
        Self {
            factor_sets: OwnedFactorSets::new(ports),
            clients: ports.stores.clients.clone(),
        }
    }

    /// Returns the visible contacts. A client that is not registered sees only those that the user logs in with.
    #[tracing::instrument(
        level = "debug",
        name = "list_own_contacts",
        skip_all,
        fields(client = client.as_str(), user = user.as_str())
    )]
    pub async fn run(&self, client: &ClientId, user: &UserId) -> Result<Vec<OwnContact>, ListOwnContactsError> {
        let found = self.factor_sets.find(user).await?;
        let (identity, set) = found.ok_or(ListOwnContactsError::UserNotFound)?;
        let visibility = self
            .clients
            .find(client)
            .await?
            .map_or_else(Visibility::default, |client| client.visibility);
        Ok(own_contacts(&identity, &set, visibility))
    }
}
