use async_trait::async_trait;
use domain::client::Client;
use domain::ids::ClientId;

use crate::{Aggregate, StoreError};

/// The outcome of saving a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientSaveOutcome {
    /// The client is stored as given.
    Saved,
    /// Another client has this name as its id or as an alias. Nothing was written.
    NameTaken(ClientId),
}

/// Registered clients.
pub const CLIENTS: Aggregate = Aggregate {
    name: "clients",
    has_outbox: false,
};

/// The store of client applications, written by the operator and read by every context.
///
/// An unknown id is `None`. Each call is atomic. Saving the same client again changes nothing.
#[async_trait]
pub trait Clients: Send + Sync {
    /// Returns the client with this id; an alias does not match.
    ///
    /// # Errors
    ///
    /// Returns [`StoreError`] when the store cannot answer.
    async fn find(&self, id: &ClientId) -> Result<Option<Client>, StoreError>;

    /// Returns the client as it is stored at present, without any cache. It takes the same time for every id, known or
    /// not, so that the duration of a login does not reveal which ids are registered.
    ///
    /// # Errors
    ///
    /// Returns [`StoreError`] when the store cannot answer.
    async fn find_uncached(&self, id: &ClientId) -> Result<Option<Client>, StoreError> {
        self.find(id).await
    }

    /// Inserts the client if its id and aliases are free.
    ///
    /// # Errors
    ///
    /// Returns [`StoreError`] when the store cannot answer; a taken name is an outcome.
    async fn create(&self, client: &Client) -> Result<ClientSaveOutcome, StoreError>;

    /// Replaces the client if no other client has one of its aliases; inserts it when it is absent.
    ///
    /// # Errors
    ///
    /// Returns [`StoreError`] when the store cannot answer; a taken name is an outcome.
    async fn replace(&self, client: &Client) -> Result<ClientSaveOutcome, StoreError>;

    /// Returns up to `limit` clients in the order of their ids, beginning after `after`.
    ///
    /// # Errors
    ///
    /// Returns [`StoreError`] when the store cannot answer.
    async fn page(&self, after: Option<&ClientId>, limit: usize) -> Result<Vec<Client>, StoreError>;
}
