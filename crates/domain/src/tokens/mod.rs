//! Sessions and tokens: hand-off, renewal, rotation.

mod access_token;
pub mod events;
mod grant;
pub mod permissions;
mod refresh_family;
mod refresh_token;
mod validation_token;

pub use access_token::{AccessToken, AccessTokenSubject};
pub use grant::{BusinessNotLinked, Grant, administrator_roles};
pub use refresh_family::{
    Closing, FamilyStatus, MAX_ANCESTORS, Origin, Presented, RefreshFamily, RevocationReason, TooManyAncestors, Verdict,
};
pub use refresh_token::{MalformedRefreshToken, Nonce, RefreshToken, SealedRefreshToken};
pub use validation_token::{ValidationToken, ValidationTokenHash, ValidationTokenSecret};
