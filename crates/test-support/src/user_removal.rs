//! The removal of users, wired over any stores.

use std::sync::Arc;

use ports::Stores;
use use_cases::EraseRemovedUsers;
use use_cases::credential_lock::EpochRaiser;
use use_cases::directory::{DirectoryUseCases, LoginEraser};
use use_cases::factors::{FactorEraser, FactorsPorts, FactorsSettings, FactorsUseCases};
use use_cases::sessions::SessionEraser;

use crate::TestApp;
use crate::published_events::publish_all;

impl TestApp {
    /// Returns the use cases of contacts over other stores.
    pub fn factors_over(&self, stores: &Stores) -> FactorsUseCases {
        let ports = FactorsPorts {
            stores: stores.clone(),
            runtime: self.runtime.clone(),
            code_digester: self.codes.clone(),
            delivery: self.sent_codes.clone(),
        };
        FactorsUseCases::new(&ports, &FactorsSettings::default())
    }

    /// Returns the use cases of the directory over other stores.
    pub fn directory_over(&self, stores: &Stores) -> DirectoryUseCases {
        DirectoryUseCases::new(stores, &self.runtime)
    }

    /// Publishes all events, and erases what is stored of removed users.
    pub async fn erase_removed_users(&self) {
        publish_all(&self.relay(self.event_publisher.clone(), "relay"), &*self.outboxes()).await;
        erase_removed_users(&self.stores).run().await.unwrap();
    }
}

/// Returns the erasure of removed users, with the parts of all contexts.
pub fn erase_removed_users(stores: &Stores) -> EraseRemovedUsers {
    let factors = FactorEraser {
        factor_sets: stores.factor_sets.clone(),
        lock_statuses: stores.lock_statuses.clone(),
    };
    EraseRemovedUsers::new(
        stores.identities.clone(),
        vec![
            Arc::new(LoginEraser(stores.identities.clone())),
            Arc::new(EpochRaiser(stores.credential_locks.clone())),
            Arc::new(factors),
            Arc::new(SessionEraser(stores.refresh_families.clone())),
        ],
    )
}
