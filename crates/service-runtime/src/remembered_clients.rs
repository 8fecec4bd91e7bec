use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use domain::client::Client;
use domain::ids::ClientId;
use moka::sync::Cache;
use ports::{ClientSaving, Clients, StoreFailure};

/// How long a client is remembered: an operator's change is seen within this time.
const LIFE: Duration = Duration::from_secs(1);

/// Clients remembered at most; they are few.
const CAPACITY: u64 = 1_000;

/// Remembers registered clients for a moment: each request needs one, and they hardly ever change. A client that is not
/// registered is asked for every time, so a new one is known at once.
pub struct RememberedClients {
    clients: Arc<dyn Clients>,
    remembered: Cache<ClientId, Client>,
}

impl RememberedClients {
    pub fn new(clients: Arc<dyn Clients>) -> Self {
        Self {
            clients,
            remembered: Cache::builder().max_capacity(CAPACITY).time_to_live(LIFE).build(),
        }
    }
}

#[async_trait]
impl Clients for RememberedClients {
    async fn find(&self, id: &ClientId) -> Result<Option<Client>, StoreFailure> {
        if let Some(client) = self.remembered.get(id) {
            return Ok(Some(client));
        }
        let found = self.clients.find(id).await?;
        if let Some(client) = &found {
            self.remembered.insert(id.clone(), client.clone());
        }
        Ok(found)
    }

    async fn create(&self, client: &Client) -> Result<ClientSaving, StoreFailure> {
        self.clients.create(client).await
    }

    async fn replace(&self, client: &Client) -> Result<ClientSaving, StoreFailure> {
        let saving = self.clients.replace(client).await;
        self.remembered.invalidate(&client.id);
        saving
    }

    async fn page(&self, after: Option<&ClientId>, limit: usize) -> Result<Vec<Client>, StoreFailure> {
        self.clients.page(after, limit).await
    }
}
