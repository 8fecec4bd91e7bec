//! The lock of a user's credential.

mod credential;
pub mod events;
pub mod permissions;

pub use credential::{Credential, LockCommand, LockReason, ReasonTooLong};
