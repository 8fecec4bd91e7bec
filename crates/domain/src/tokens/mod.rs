//! Sessions and tokens: SAML login, renewal, rotation, branches and revocation.

mod access_token;
pub mod events;
pub mod permissions;
mod refresh_family;
mod refresh_token;
mod roles_and_scopes;
mod validation_token;

pub use access_token::{AccessToken, AccessTokenSubject};
pub use refresh_family::{
    Closure, FamilyStatus, MAX_ANCESTORS, Origin, PresentedToken, RefreshFamily, RevocationReason, TooManyAncestors,
    Verdict,
};
pub use refresh_token::{MalformedRefreshToken, Nonce, RefreshToken, SignedRefreshToken};
pub use roles_and_scopes::{BusinessNotLinked, RolesAndScopes, administrator_roles};
pub use validation_token::{ValidationToken, ValidationTokenHash, ValidationTokenSecret};
