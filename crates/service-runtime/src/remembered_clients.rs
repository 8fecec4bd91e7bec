use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use domain::client::Client;
use domain::ids::ClientId;
use moka::sync::Cache;
use ports::{ClientSaveOutcome, Clients, StoreError};

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
    async fn find(&self, id: &ClientId) -> Result<Option<Client>, StoreError> {
        if let Some(client) = self.remembered.get(id) {
            return Ok(Some(client));
        }
        self.find_uncached(id).await
    }

    async fn find_uncached(&self, id: &ClientId) -> Result<Option<Client>, StoreError> {
        let found = self.clients.find(id).await?;
        if let Some(client) = &found {
            self.remembered.insert(id.clone(), client.clone());
        }
        Ok(found)
    }

    async fn create(&self, client: &Client) -> Result<ClientSaveOutcome, StoreError> {
        self.clients.create(client).await
    }

    async fn replace(&self, client: &Client) -> Result<ClientSaveOutcome, StoreError> {
        let saving = self.clients.replace(client).await;
        self.remembered.invalidate(&client.id);
        saving
    }

    async fn page(&self, after: Option<&ClientId>, limit: usize) -> Result<Vec<Client>, StoreError> {
        self.clients.page(after, limit).await
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// Knows one client, and counts how often it is asked.
    #[derive(Default)]
    struct Counted(AtomicUsize);

    #[async_trait]
    impl Clients for Counted {
        async fn find(&self, id: &ClientId) -> Result<Option<Client>, StoreError> {
            self.0.fetch_add(1, Ordering::SeqCst);
            Ok((id.as_str() == "portal").then(|| Client::new(id.clone())))
        }

        async fn create(&self, _: &Client) -> Result<ClientSaveOutcome, StoreError> {
            Ok(ClientSaveOutcome::Saved)
        }

        async fn replace(&self, _: &Client) -> Result<ClientSaveOutcome, StoreError> {
            Ok(ClientSaveOutcome::Saved)
        }

        async fn page(&self, _: Option<&ClientId>, _: usize) -> Result<Vec<Client>, StoreError> {
            Ok(Vec::new())
        }
    }

    #[tokio::test]
    async fn a_login_reads_the_store_for_a_known_id_and_for_an_unknown_one() {
        let counted = Arc::new(Counted::default());
        let clients = RememberedClients::new(counted.clone());
        let id = |id: &str| ClientId::parse(id).unwrap();
        for _ in 0..2 {
            assert!(clients.find(&id("portal")).await.unwrap().is_some());
        }
        assert_eq!(counted.0.swap(0, Ordering::SeqCst), 1, "it is remembered");
        for (name, is_known) in [("portal", true), ("nobody", false)] {
            for _ in 0..2 {
                let found = clients.find_uncached(&id(name)).await.unwrap();
                assert_eq!(found.is_some(), is_known);
            }
            assert_eq!(counted.0.swap(0, Ordering::SeqCst), 2, "{name}");
        }
    }
}
