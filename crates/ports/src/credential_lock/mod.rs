//! What the credential lock context needs.

mod credential_locks;

pub use credential_locks::CredentialLocks;
