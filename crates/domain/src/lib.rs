//! The rules and value types of AuthMe: no I/O, no async, no wire format.
//!
//! Root modules are what the three contexts share; each context has a module of its own name.

pub mod actor;
pub mod caller;
pub mod client;
pub mod contact;
pub mod credential_lock;
pub mod event;
pub mod factors;
pub mod group;
pub mod hex;
pub mod identity;
pub mod ids;
pub mod lock_status;
pub mod loopback;
pub mod mask;
pub mod names;
pub mod permission;
pub mod registration;
pub mod time;
pub mod tokens;
