use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use async_trait::async_trait;
use ports::{Aggregate, ExpiredRecords, Outboxes, Readiness, StoreError, StoreUpkeep};

use crate::database::Database;
use crate::expired_records::SqliteExpiredRecords;
use crate::outboxes::SqliteOutboxes;

pub(crate) struct SqliteUpkeep {
    database: Arc<Database>,
    /// The number of times that this process claimed an outbox that it could not read.
    unreadable: Arc<AtomicU64>,
}

impl SqliteUpkeep {
    pub(crate) fn new(database: Arc<Database>) -> Self {
        Self {
            database,
            unreadable: Arc::default(),
        }
    }
}

#[async_trait]
impl StoreUpkeep for SqliteUpkeep {
    fn outboxes(&self, of: &[&'static Aggregate]) -> Arc<dyn Outboxes> {
        Arc::new(SqliteOutboxes {
            aggregates: of.iter().copied().filter(|aggregate| aggregate.has_outbox).collect(),
            database: self.database.clone(),
            unreadable: self.unreadable.clone(),
        })
    }

    fn expired_records(&self, of: &[&'static Aggregate]) -> Arc<dyn ExpiredRecords> {
        Arc::new(SqliteExpiredRecords {
            aggregates: of.to_vec(),
            database: self.database.clone(),
        })
    }

    /// Does nothing: an open file has all its indexes.
    async fn create_indexes(&self, _of: &[&'static Aggregate]) -> Result<(), StoreError> {
        Ok(())
    }

    fn readiness(&self) -> Arc<dyn Readiness> {
        self.database.clone()
    }

    /// Moves everything into the main file besides.
    async fn close(&self) {
        self.database.close().await;
    }
}
