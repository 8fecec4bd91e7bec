//! The contracts of sessions.

pub(crate) mod refresh_families;
pub(crate) mod sign_in_statuses;
pub(crate) mod used_once;

use std::sync::Arc;

use domain::sessions::{SignIn, SignInStatus};
use ports::{Stores, VersionedStore};

use crate::contract::Contract;
use crate::fixtures::{family_id, user};
use crate::versioned_store::Sample;
use crate::{Fixture, versioned_store};

/// Returns the contracts of sessions.
pub(crate) fn contracts() -> Vec<Contract<dyn Fixture>> {
    [
        refresh_families::contracts(),
        refresh_families::active_families::contracts(),
        refresh_families::closing::contracts(),
        refresh_families::erasure::contracts(),
        refresh_families::revocation::contracts(),
        sign_in_statuses::contracts(),
        versioned_store::contracts::<SignIn>(),
        used_once::contracts(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

impl Sample for SignIn {
    fn store(stores: &Stores) -> Arc<dyn VersionedStore<Self>> {
        stores.sign_ins.clone()
    }

    fn empty(n: usize) -> Self {
        Self::empty(user(n))
    }

    fn full(n: usize) -> Self {
        Self {
            status: SignInStatus {
                sessions_version: 5_000_000_000,
                kept_session: Some(family_id(n)),
            },
            ..Self::empty(user(n))
        }
    }

    fn changed_by(&self, caller: usize) -> Self {
        Self {
            status: SignInStatus {
                sessions_version: caller as u64,
                ..self.status.clone()
            },
            ..self.clone()
        }
    }

    fn at_version(self, version: u64) -> Self {
        Self { version, ..self }
    }
}
