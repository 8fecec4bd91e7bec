//! The stored forms of the credential lock context.

mod credential_locks;

use domain::credential_lock::CredentialLock;

use crate::collection::Collection;

pub use credential_locks::{CredentialLockForm, LockStatusForm};

/// The collections of the context.
pub const COLLECTIONS: &[Collection] = &[Collection::versioned::<CredentialLock>()];
