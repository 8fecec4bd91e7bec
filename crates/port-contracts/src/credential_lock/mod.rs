//! The contracts of the credential lock context.

pub(crate) mod credential_locks;
pub(crate) mod lock_changes;

use domain::credential_lock::CredentialLock;

use crate::contract::Contract;
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
