//! Servers for tests, trials and benchmarks: a document store, a broker and a mail server, which [`ensure_up`] and
//! `cargo xtask servers` start; AuthMe itself as a process ([`authme`]); and a proxy in front of the store
//! ([`mongodb_proxy`]).

mod addresses;
pub mod authme;
pub mod checkout;
mod compose;
mod folder;
pub mod http;
pub mod mongodb_proxy;
mod ports;
mod process;
mod registries;
mod smtp;
mod state;
mod status;
mod stores;
mod task;

pub use addresses::Addresses;
pub use ports::free_port;
pub use stores::{ensure_up, start_kafka, stop_kafka};
pub use task::Task;
