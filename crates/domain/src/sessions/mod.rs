//! Sessions: refresh token families, the access tokens that are issued in them, and what ends many of them at once. Every
//! context may use this module; it uses none of them.

mod access_token;
pub mod events;
mod refresh_family;
mod refresh_token;
mod roles_and_scopes;
mod sign_in;
mod used_once;

pub use access_token::{AccessToken, AccessTokenSubject};
pub use refresh_family::{
    Closure, FamilyStatus, MAX_ANCESTORS, Origin, PresentedToken, RefreshFamily, RevocationReason, TooManyAncestors,
    Verdict,
};
pub use refresh_token::{MalformedRefreshToken, Nonce, RefreshToken, SignedRefreshToken};
pub use roles_and_scopes::{BusinessNotLinked, RolesAndScopes, administrator_roles};
pub use sign_in::{EndSessionsCommand, SessionsEnded, SignIn, SignInStatus};
pub use used_once::{UsedOnceKey, UsedOncePurpose};
