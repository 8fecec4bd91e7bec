//! The contracts of sessions.

pub(crate) mod refresh_families;
