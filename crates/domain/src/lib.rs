//! The rules and value types of AuthMe: no I/O, no async, no wire format.
//!
//! Modules at the root are shared by the contexts; each context has a module of its own name. Our own nouns
//! (family, epoch, factor set …) are explained in `docs/glossary.md`, the protocols that build on these rules in
//! `docs/protocols.md`. "The documented API" in a comment is the published API that clients rely on; its rules are in
//! `docs/api.md`.

#![deny(missing_docs)]

pub mod actor;
pub mod caller;
pub mod client;
pub mod contact;
pub mod credential_lock;
pub mod directory;
pub mod event;
pub mod factors;
pub mod group;
pub mod hex;
pub mod identity;
pub mod ids;
pub mod lock_status;
pub mod loopback;
pub mod mask;
pub mod names;
pub mod permission;
pub mod registration;
pub mod removal;
pub mod sessions;
pub mod time;
pub mod tokens;

/// Returns the types of all events, grouped by the module that declares them.
pub fn event_types() -> impl Iterator<Item = &'static event::EventType> {
    [
        credential_lock::events::TYPES,
        directory::events::TYPES,
        factors::events::TYPES,
        sessions::events::TYPES,
    ]
    .into_iter()
    .flatten()
    .copied()
}

/// Returns the type of this name; `None` for any other text.
pub fn event_type(name: &str) -> Option<&'static event::EventType> {
    event_types().find(|kind| kind.name == name)
}
