use std::sync::Arc;

use domain::factors::{OwnContact, Visibility, own_contacts};
use domain::ids::{ClientId, UserId};
use ports::factors::FactorSets;
use ports::{Clients, StoreFailure};

use super::FactorsPorts;

/// Why no contacts are told.
#[derive(Debug, thiserror::Error)]
pub enum ListOwnContactsError {
    #[error("the user has no record")]
    UserNotFound,
    #[error(transparent)]
    Store(#[from] StoreFailure),
}

/// Lists a user's contacts as the calling client may show them.
pub struct ListOwnContacts {
    factor_sets: Arc<dyn FactorSets>,
    clients: Arc<dyn Clients>,
}

impl ListOwnContacts {
    pub(super) fn new(ports: &FactorsPorts) -> Self {
        Self {
            factor_sets: ports.factor_sets.clone(),
            clients: ports.clients.clone(),
        }
    }

    /// A client that is no longer registered is shown the least.
    pub async fn run(&self, client: &ClientId, user: &UserId) -> Result<Vec<OwnContact>, ListOwnContactsError> {
        let found = self.factor_sets.find_with_owner(user).await?;
        let (identity, mut set) = found.ok_or(ListOwnContactsError::UserNotFound)?;
        set.drop_credentials(&identity);
        let visibility = self
            .clients
            .find(client)
            .await?
            .map_or_else(Visibility::default, |client| client.visibility);
        Ok(own_contacts(&identity, &set, visibility))
    }
}
