//! The use cases: one file per operation, each a struct of the ports that it needs, with a method `run`.

mod admit_caller;
pub mod credential_lock;
mod error;
pub mod factors;
mod follow_events;
pub mod relay;
mod relay_outboxes;
mod saving;
pub mod sessions;
pub mod tokens;

pub use admit_caller::{Admission, AdmissionError, AdmitCaller};
pub use error::UseCaseError;
pub use follow_events::{EventPage, FollowEvents};
pub use relay_outboxes::{RelayOutboxes, RelayPorts, RelayRun};
