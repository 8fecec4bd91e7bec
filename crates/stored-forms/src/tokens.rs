//! The collections of the tokens context.

use ports::tokens::VALIDATION_TOKENS;

use crate::collection::Collection;

/// The collections of the context.
pub const COLLECTIONS: &[Collection] = &[Collection {
    purge_at: Some("expiresAt"),
    ..Collection::kept(&VALIDATION_TOKENS)
}];
