//! Real processes on real servers: the three services over MongoDB and Kafka, as they are deployed.
//!
//! `AUTHME_TEST_MONGODB_URI` and `AUTHME_TEST_KAFKA_BROKERS` say where the servers are; `cargo xtask servers up` brings
//! them up. Without them every trial is shown as ignored, by name. An [`Installation`] starts the services from the
//! binaries beside the test, a [`Caller`] calls them, a [`Follower`] reads what they publish.

#![expect(
    clippy::expect_used,
    clippy::missing_panics_doc,
    clippy::panic,
    reason = "what cannot be set up ends the trial"
)]

mod addresses;
mod binaries;
mod caller;
mod cast;
mod database;
mod eventually;
mod follower;
mod installation;
mod options;
mod process;
mod proxy;
mod request;
mod service;
mod store;
mod trial;

pub use caller::Caller;
pub use cast::{Cast, ClientLogin};
pub use eventually::eventually;
pub use follower::{Follower, follow_events};
pub use installation::{Deployment, Done, Installation};
pub use options::Options;
pub use process::Process;
pub use proxy::{Direction, Flow, Proxy};
pub use request::{Answer, Request};
pub use service::Service;
pub use store::Store;
pub use trial::{Servers, on_servers, servers};
