//! The stored forms of the credential lock context.

mod credential_locks;

pub use credential_locks::{CredentialLockForm, LockStatusForm};
