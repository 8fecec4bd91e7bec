//! The contracts of the factors context.

pub(crate) mod factor_sets;
pub(crate) mod send_quotas;

use std::sync::Arc;

use domain::factors::FactorSet;
use ports::{Stores, VersionedStore};

use crate::contract::Contract;
use crate::fixtures::{contact_id, full_factor_set, user};
use crate::versioned_store::Sample;
use crate::{Fixture, versioned_store};

/// Returns the contracts of the context.
pub(crate) fn contracts() -> Vec<Contract<dyn Fixture>> {
    [
        versioned_store::contracts::<FactorSet>(),
        factor_sets::contracts(),
        factor_sets::codes::contracts(),
        send_quotas::contracts(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

impl Sample for FactorSet {
    fn store(stores: &Stores) -> Arc<dyn VersionedStore<Self>> {
        stores.factor_sets.clone()
    }

    fn empty(n: usize) -> Self {
        Self::empty(user(n))
    }

    fn full(n: usize) -> Self {
        full_factor_set(user(n))
    }

    fn changed_by(&self, caller: usize) -> Self {
        Self {
            chosen_default: Some(contact_id(&caller.to_string())),
            ..self.clone()
        }
    }

    fn at_version(self, version: u64) -> Self {
        Self { version, ..self }
    }
}
