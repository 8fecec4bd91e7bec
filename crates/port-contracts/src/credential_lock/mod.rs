//! The contracts of the credential lock context.

pub(crate) mod credential_locks;
pub(crate) mod lock_changes;
