//! The stored forms of AuthMe's data, for every store adapter, and the one list of its collections.
//!
//! A form is what a store writes and reads: serde types with the stored names, which never change while data with them
//! exists. A form is generic in its [`Encoding`], because BSON has types for times and bytes, and JSON has none.
//!
//! An aggregate with rules ([`Versioned`]) needs nothing in an adapter but its form: the adapters store every
//! [`StoredForm`] by the same code. Stores of conditional verbs have their forms in the adapters, and only list their
//! [`Collection`] here.

#![deny(missing_docs)]

mod actor;
mod client;
mod collection;
mod collections;
mod contact;
pub mod credential_lock;
pub mod directory;
mod encoding;
mod event;
pub mod factors;
mod identity;
mod json;
pub mod sessions;
pub mod tokens;

use ports::Versioned;
use serde::Serialize;
use serde::de::DeserializeOwned;

pub use actor::ActorForm;
pub use client::ClientForm;
pub use collection::{Collection, Index};
pub use collections::{all_aggregates, assert_listed, collection, collections};
pub use encoding::{Corrupt, Encoding};
pub use event::{EventDataForm, EventForm};
pub use identity::IdentityForm;
pub use json::Json;

/// Returns whether a number is 0. A member with a default of 0 is absent then, as in the documents of older versions.
pub const fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// The stored form of an aggregate with rules. Its key is stored beside it.
///
/// The form of an optional member is absent when there is none: a store replaces the whole form, so an absent member is
/// gone.
pub trait StoredForm<E: Encoding>: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// The aggregate.
    type Of: Versioned;

    /// Returns the form of the aggregate under this version.
    fn of(aggregate: &Self::Of, version: u64) -> Self;

    /// Returns the aggregate.
    ///
    /// # Errors
    ///
    /// Returns [`Corrupt`] if the form is not one that [`of`](Self::of) returns, in this version of AuthMe or an earlier
    /// one.
    fn read(self, key: &str) -> Result<Self::Of, Corrupt>;
}
