//! The stored forms and collections of sessions.

mod sign_ins;

use domain::sessions::SignIn;
use ports::sessions::{REFRESH_FAMILIES, USED_ONCE};

use crate::collection::{Collection, Index};

pub use sign_ins::{SignInForm, SignInStatusForm};

/// The collections of sessions.
pub const COLLECTIONS: &[Collection] = &[
    Collection {
        user: Some("user"),
        purge_at: Some("absoluteExpiresAt"),
        indexes: &[Index {
            name: "user",
            // No member that a rotation changes: it would write the index as well.
            members: &["user", "client"],
            purpose: "the sessions of a user, and those that a client renewed least recently",
        }],
        ..Collection::kept(&REFRESH_FAMILIES)
    },
    Collection::versioned::<SignIn>(),
    Collection {
        purge_at: Some("purgeAt"),
        ..Collection::kept(&USED_ONCE)
    },
];
