//! The contracts of sessions.

pub(crate) mod refresh_families;
pub(crate) mod used_once;

use crate::Fixture;
use crate::contract::Contract;

/// Returns the contracts of sessions.
pub(crate) fn contracts() -> Vec<Contract<dyn Fixture>> {
    [
        refresh_families::contracts(),
        refresh_families::closing::contracts(),
        refresh_families::erasure::contracts(),
        refresh_families::revocation::contracts(),
        used_once::contracts(),
    ]
    .into_iter()
    .flatten()
    .collect()
}
