use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use domain::client::Client;
use domain::ids::ClientId;
use moka::sync::Cache;
use ports::{ClientSaveOutcome, Clients, StoreError};

/// The time for which a client is cached. It bounds how late a change by another process, such as the operator's
/// command line, takes effect. A read that overlaps the change may cache the old client once more, so AuthMe promises
/// two seconds: docs/protocols.md "Active check".
const TIME_TO_LIVE: Duration = Duration::from_secs(1);

/// The maximum number of cached clients. An installation has few clients, so this only bounds the memory.
const CAPACITY: u64 = 1_000;

/// A cache of registered clients: each request needs one, and they rarely change. An id without a client is not cached,
/// so a new client is found immediately. [`find_uncached`](Clients::find_uncached) always reads the store.
pub struct CachedClients {
    clients: Arc<dyn Clients>,
    cache: Cache<ClientId, Client>,
}

impl CachedClients {
    pub fn new(clients: Arc<dyn Clients>) -> Self {
        Self {
            clients,
            cache: Cache::builder()
                .max_capacity(CAPACITY)
                .time_to_live(TIME_TO_LIVE)
                .build(),
        }
    }
}

#[async_trait]
impl Clients for CachedClients {
    async fn find(&self, id: &ClientId) -> Result<Option<Client>, StoreError> {
        if let Some(client) = self.cache.get(id) {
            return Ok(Some(client));
        }
        self.find_uncached(id).await
    }

    async fn find_uncached(&self, id: &ClientId) -> Result<Option<Client>, StoreError> {
        let found = self.clients.find(id).await?;
        if let Some(client) = &found {
            self.cache.insert(id.clone(), client.clone());
        }
        Ok(found)
    }

    async fn create(&self, client: &Client) -> Result<ClientSaveOutcome, StoreError> {
        self.clients.create(client).await
    }

    async fn replace(&self, client: &Client) -> Result<ClientSaveOutcome, StoreError> {
        let outcome = self.clients.replace(client).await;
        self.cache.invalidate(&client.id);
        outcome
    }

    async fn page(&self, after: Option<&ClientId>, limit: usize) -> Result<Vec<Client>, StoreError> {
        self.clients.page(after, limit).await
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// A store with one client that counts its reads.
    #[derive(Default)]
    struct CountingClients(AtomicUsize);

    #[async_trait]
    impl Clients for CountingClients {
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
    async fn find_uncached_reads_the_store_every_time() {
        let counted = Arc::new(CountingClients::default());
        let clients = CachedClients::new(counted.clone());
        let id = |id: &str| ClientId::parse(id).unwrap();
        for _ in 0..2 {
            assert!(clients.find(&id("portal")).await.unwrap().is_some());
        }
        assert_eq!(counted.0.swap(0, Ordering::SeqCst), 1, "the second read is cached");
        for (name, is_known) in [("portal", true), ("nobody", false)] {
            for _ in 0..2 {
                let found = clients.find_uncached(&id(name)).await.unwrap();
                assert_eq!(found.is_some(), is_known);
            }
            assert_eq!(counted.0.swap(0, Ordering::SeqCst), 2, "{name}");
        }
    }
}
