//! The sections of the settings, and the parts that the three services share: command line, MongoDB, Kafka, HTTP servers,
//! start and shutdown. All but the settings need the feature `mongodb`.

#[cfg(feature = "mongodb")]
mod arguments;
#[cfg(feature = "mongodb")]
mod check;
#[cfg(feature = "mongodb")]
mod context;
#[cfg(feature = "mongodb")]
mod kafka;
#[cfg(feature = "mongodb")]
mod keys;
#[cfg(feature = "mongodb")]
mod running;
#[cfg(feature = "mongodb")]
mod service;
pub mod settings;
#[cfg(feature = "mongodb")]
mod shared;
#[cfg(feature = "mongodb")]
mod store;
#[cfg(feature = "mongodb")]
mod topics;

#[cfg(feature = "mongodb")]
pub use context::Context;
#[cfg(feature = "mongodb")]
pub use service::Service;
#[cfg(feature = "mongodb")]
pub use shared::Shared;
