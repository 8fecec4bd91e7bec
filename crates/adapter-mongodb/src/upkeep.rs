use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use async_trait::async_trait;
use ports::{Aggregate, ExpiredRecords, Outboxes, Readiness, StoreError, StoreUpkeep};

use crate::database::Database;
use crate::expired_records::MongodbExpiredRecords;
use crate::indexes;
use crate::outboxes::MongodbOutboxes;

pub(crate) struct MongodbUpkeep {
    database: Arc<Database>,
    /// The number of times that this process claimed an outbox that it could not read.
    unreadable: Arc<AtomicU64>,
}

impl MongodbUpkeep {
    pub(crate) fn new(database: Arc<Database>) -> Self {
        Self {
            database,
            unreadable: Arc::default(),
        }
    }
}

#[async_trait]
impl StoreUpkeep for MongodbUpkeep {
    fn outboxes(&self, of: &[&'static Aggregate]) -> Arc<dyn Outboxes> {
        Arc::new(MongodbOutboxes {
            aggregates: of.iter().copied().filter(|aggregate| aggregate.has_outbox).collect(),
            database: self.database.clone(),
            unreadable: self.unreadable.clone(),
        })
    }

    fn expired_records(&self, of: &[&'static Aggregate]) -> Arc<dyn ExpiredRecords> {
        Arc::new(MongodbExpiredRecords {
            aggregates: of.to_vec(),
            database: self.database.clone(),
        })
    }

    async fn create_indexes(&self, of: &[&'static Aggregate]) -> Result<(), StoreError> {
        indexes::create(&self.database, of).await
    }

    fn readiness(&self) -> Arc<dyn Readiness> {
        self.database.clone()
    }

    async fn close(&self) {
        self.database.drain().await;
    }
}
