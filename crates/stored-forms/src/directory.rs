//! The collections of the directory context.

use ports::{IDENTITIES, LOGINS};

use crate::collection::{Collection, Index};

/// The collections of the context.
pub const COLLECTIONS: &[Collection] = &[
    Collection {
        pending: Some("removalPending"),
        ..Collection::kept(&IDENTITIES)
    },
    Collection {
        indexes: &[Index {
            name: "holder",
            members: &["holder"],
            purpose: "the removal of a user finds its logins",
        }],
        ..Collection::kept(&LOGINS)
    },
];
