//! The contracts of the factors context.

pub(crate) mod factor_sets;
pub(crate) mod send_quotas;

use domain::factors::FactorSet;

use crate::contract::Contract;
use crate::{Fixture, versioned_store};

/// Returns the contracts of the context.
pub(crate) fn contracts() -> Vec<Contract<dyn Fixture>> {
    [
        versioned_store::contracts::<FactorSet>(),
        factor_sets::codes::contracts(),
        send_quotas::contracts(),
    ]
    .into_iter()
    .flatten()
    .collect()
}
