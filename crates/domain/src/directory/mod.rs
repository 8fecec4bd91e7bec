//! The directory: who is registered. It removes users; the operator's commands and a SAML login add them.

pub mod events;
pub mod permissions;
mod user_removal;

pub use user_removal::{RemovalNotPermitted, check_removal};
