//! The credential lock: an operator or a machine locks a user's credential, which invalidates all sessions and tokens
//! of the user.

pub mod events;
mod lock;
pub mod permissions;

pub use lock::{CredentialLock, InvalidLockReason, LockCommand, LockReason};
