use std::sync::Arc;

use domain::factors::FactorSet;
use ports::{Stores, VersionedStore};

use crate::fixtures::{contact_id, full_factor_set, user};
use crate::versioned_store::Sample;

pub(crate) mod codes;

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
