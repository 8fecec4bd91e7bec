//! A proxy before a server that speaks MongoDB's wire protocol, for tests: a script looks at every command and answers it
//! itself, changes it or its answer, delays it, or cuts the connection.
//!
//! [`OldPrimary`] is such a script: a primary that is cut off from the other members and goes on for a while.

mod command;
mod message;
mod old_primary;
mod proxy;
mod server;

pub use bson;
pub use command::Command;
pub use old_primary::{OldPrimary, Past, Seen};
pub use proxy::{MongodbProxy, Reaction};
pub use server::{Server, address_of, through};
