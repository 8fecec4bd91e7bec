//! The contracts of the credential lock context.

pub(crate) mod credential_locks;
pub(crate) mod lock_changes;

use std::sync::Arc;

use domain::credential_lock::CredentialLock;
use ports::{Stores, VersionedStore};

use crate::contract::Contract;
use crate::fixtures::{lock_command, user};
use crate::versioned_store::Sample;
use crate::{Fixture, versioned_store};

/// Returns the contracts of the context.
pub(crate) fn contracts() -> Vec<Contract<dyn Fixture>> {
    [
        credential_locks::contracts(),
        versioned_store::contracts::<CredentialLock>(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

impl Sample for CredentialLock {
    fn store(stores: &Stores) -> Arc<dyn VersionedStore<Self>> {
        stores.credential_locks.clone()
    }

    fn empty(n: usize) -> Self {
        Self::never_locked(user(n))
    }

    fn full(n: usize) -> Self {
        Self::never_locked(user(n)).lock(&lock_command(&user(n), 1)).unwrap()
    }

    fn changed_by(&self, caller: usize) -> Self {
        Self {
            epoch: caller as u64,
            ..self.clone()
        }
    }

    fn at_version(self, version: u64) -> Self {
        Self { version, ..self }
    }
}
