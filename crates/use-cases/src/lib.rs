//! The use cases: one file per operation, each a struct of the ports that it needs, with a method `run`.

mod admit_caller;
pub mod credential_lock;
pub mod directory;
mod error;
pub mod factors;
mod follow_events;
pub mod relay;
mod relay_outboxes;
mod removed_users;
mod saving;
pub mod sessions;
pub mod tokens;

pub use admit_caller::{Admission, AdmissionError, AdmitCaller};
pub use error::UseCaseError;
pub use follow_events::{EventPage, FollowEvents};
pub use relay_outboxes::{RelayOutboxes, RelayPorts, RelayRun};
pub use removed_users::{EraseRemovedUsers, PartEraser};
