//! The stored forms of the factors context.

mod codes;
mod factor_sets;

use domain::factors::FactorSet;
use ports::factors::SEND_LIMITS;

use crate::collection::Collection;

pub use factor_sets::FactorSetForm;

/// The collections of the context.
pub const COLLECTIONS: &[Collection] = &[
    Collection::versioned::<FactorSet>(),
    Collection {
        purge_at: Some("windowEndsAt"),
        ..Collection::kept(&SEND_LIMITS)
    },
];
