//! Real processes on real servers: the three services over MongoDB and Kafka, as they are deployed.
//!
//! `AUTHME_TEST_MONGODB_URI` and `AUTHME_TEST_KAFKA_BROKERS` name the servers; `cargo xtask servers up` starts them.
//! Without these variables every trial is listed as ignored. An [`Installation`] starts the services from the binaries
//! of the same build profile, a [`Caller`] calls them, and an [`EventReader`] reads the events that they publish.

#![expect(
    clippy::expect_used,
    clippy::missing_panics_doc,
    clippy::panic,
    reason = "a trial whose setup fails panics"
)]

mod addresses;
mod binaries;
mod caller;
mod clients;
mod database;
mod event_reader;
mod eventually;
mod fixtures;
mod installation;
mod options;
mod process;
mod proxied_store;
mod proxy;
mod random;
mod request;
mod service;
mod trial;

pub use caller::Caller;
pub use clients::{ClientLogin, Fixtures};
pub use event_reader::{EventReader, open_event_reader};
pub use eventually::eventually;
pub use installation::{CommandOutput, Deployment, Installation};
pub use options::Options;
pub use process::Process;
pub use proxied_store::ProxiedStore;
pub use proxy::{Direction, Flow, Proxy};
pub use request::{Request, Response};
pub use service::Service;
pub use trial::{Servers, servers, trial_on_servers};
