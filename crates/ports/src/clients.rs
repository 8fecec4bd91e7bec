use async_trait::async_trait;
use domain::client::Client;
use domain::ids::ClientId;

use crate::StoreError;

/// What saving a client came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientSaveOutcome {
    Saved,
    /// Another client is known by this name already; nothing was written.
    NameTaken(ClientId),
}

/// The client applications, written by the operator and read by every context.
///
/// An id that is not registered is `None`. Each call is atomic. Saving the same client again changes nothing.
#[async_trait]
pub trait Clients: Send + Sync {
    /// The client with this id; aliases are not looked at.
    async fn find(&self, id: &ClientId) -> Result<Option<Client>, StoreError>;

    /// Returns the client as the store has it now, past whatever remembers it. It costs the same for every id, known or not,
    /// so that a login does not tell which ids are registered.
    async fn find_uncached(&self, id: &ClientId) -> Result<Option<Client>, StoreError> {
        self.find(id).await
    }

    /// Inserts the client, refused when its id or an alias is taken.
    async fn create(&self, client: &Client) -> Result<ClientSaveOutcome, StoreError>;

    /// Replaces a client, refused when an alias is taken by another; inserts it when absent.
    async fn replace(&self, client: &Client) -> Result<ClientSaveOutcome, StoreError>;

    /// Up to `limit` clients in the order of their ids, those after `after`.
    async fn page(&self, after: Option<&ClientId>, limit: usize) -> Result<Vec<Client>, StoreError>;
}
