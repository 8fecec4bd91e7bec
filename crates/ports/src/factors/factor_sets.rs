use domain::factors::FactorSet;
use domain::ids::UserId;

use crate::{Aggregate, Versioned};

/// Factor sets. A user without one has an empty set.
impl Versioned for FactorSet {
    type Key = UserId;
    const AGGREGATE: &'static Aggregate = &Aggregate {
        name: "factor_sets",
        has_outbox: true,
    };

    fn key(&self) -> &UserId {
        &self.user
    }

    fn version(&self) -> u64 {
        self.version
    }
}
