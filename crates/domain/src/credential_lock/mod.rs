//! The lock of a user's credential.

pub mod events;
mod lock;
pub mod permissions;

pub use lock::{CredentialLock, LockCommand, LockReason, ReasonTooLong};
