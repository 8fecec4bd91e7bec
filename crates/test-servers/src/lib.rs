//! Servers for tests, trials and benchmarks: a document store, a broker and a mail server, which [`ensure_up`] and
//! `cargo xtask servers` start; AuthMe itself as a process ([`authme`]); and a proxy in front of the store
//! ([`mongodb_proxy`]).

pub mod authme;
pub mod checkout;
mod compose;
mod endpoint;
mod folder;
mod group;
pub mod http;
pub mod mongodb_proxy;
mod ports;
mod process;
mod record;
mod registries;
mod status;
mod stores;
mod task;

pub use ports::free_port;
pub use stores::{Addresses, Broker, ensure_up};
pub use task::Task;
