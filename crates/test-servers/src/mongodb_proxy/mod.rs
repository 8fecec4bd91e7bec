//! A proxy in front of a server that speaks MongoDB's wire protocol, for tests: a script gets every command and replies
//! to it itself, changes it or its reply, delays it, or resets the connection.
//!
//! [`OldPrimary`] is such a script: a primary that is partitioned from the other members and does not know it yet.

mod command;
mod message;
mod old_primary;
mod proxy;
mod server;

pub use bson;
pub use command::Command;
pub use old_primary::{MajoritySnapshot, OldPrimary, PartitionStats};
pub use proxy::{MongodbProxy, Reaction};
pub use server::{Server, resolve_host, via_proxy};
