//! One file per thing a caller can ask AuthMe for, each a struct of the ports it needs and a method `run`.

mod admit_caller;
mod aliveness;
pub mod credential_lock;
pub mod factors;
mod failure;
mod follow_events;
mod relay_outboxes;
pub mod tokens;

pub use admit_caller::{Admission, AdmissionError, AdmitCaller};
pub use aliveness::{AliveUser, Aliveness, AlivenessError, AlivenessPorts, NotAlive};
pub use failure::Failure;
pub use follow_events::{EventPage, FollowEvents};
pub use relay_outboxes::{Delivery, RelayOutboxes};
