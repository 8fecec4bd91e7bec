use std::sync::Arc;

use domain::factors::{OwnContact, Visibility, own_contacts};
use domain::ids::{ClientId, UserId};
use ports::factors::FactorSets;
use ports::{Clients, Identities, StoreFailure};

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
    identities: Arc<dyn Identities>,
    clients: Arc<dyn Clients>,
}

impl ListOwnContacts {
    pub(super) fn new(ports: &FactorsPorts) -> Self {
        Self {
            factor_sets: ports.factor_sets.clone(),
            identities: ports.identities.clone(),
            clients: ports.clients.clone(),
        }
    }

    /// A client that is no longer registered is shown the least.
    pub async fn run(&self, client: &ClientId, user: &UserId) -> Result<Vec<OwnContact>, ListOwnContactsError> {
        let identity = self
            .identities
            .find(user)
            .await?
            .ok_or(ListOwnContactsError::UserNotFound)?;
        let visibility = self
            .clients
            .find(client)
            .await?
            .map_or_else(Visibility::default, |client| client.visibility);
        let set = self.factor_sets.find(user).await?;
        Ok(own_contacts(&identity, &set, visibility))
    }
}
