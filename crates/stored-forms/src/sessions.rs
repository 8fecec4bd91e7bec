//! The collections of sessions.

use ports::sessions::{REFRESH_FAMILIES, USED_ONCE};

use crate::collection::{Collection, Index};

/// The collections of sessions.
pub const COLLECTIONS: &[Collection] = &[
    Collection {
        user: Some("user"),
        purge_at: Some("absoluteExpiresAt"),
        indexes: &[Index {
            name: "user",
            members: &["user"],
            purpose: "the sessions of a user",
        }],
        ..Collection::kept(&REFRESH_FAMILIES)
    },
    Collection {
        purge_at: Some("purgeAt"),
        ..Collection::kept(&USED_ONCE)
    },
];
