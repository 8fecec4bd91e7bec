//! Sessions: refresh token families, the mint gate and the active check. Every context may use this module; it uses none
//! of them.

mod access_token_factory;
mod active_check;
mod error;
mod issuance;
mod lifecycle;
mod mint_gate;
mod rejection;
mod session_eraser;
mod session_revoker;
mod session_start_limiter;

use std::sync::Arc;
use std::time::Duration;

use ports::sessions::{RefreshTokenCodec, TokenSigner};
use ports::{Runtime, Stores};

pub use access_token_factory::IssuedTokens;
pub(crate) use access_token_factory::{AccessTokenDraft, AccessTokenFactory, calling_user, issue};
pub use active_check::{ActiveCheck, ActiveCheckError, ActiveUser, InactiveReason};
pub use error::TokenError;
pub use issuance::Issuance;
pub(crate) use lifecycle::Sessions;
pub use mint_gate::Minted;
pub(crate) use mint_gate::{MintGate, Subject, UserSubject, WriteEffect};
pub(crate) use rejection::{RejectionReason, reject};
pub use session_eraser::SessionEraser;
pub(crate) use session_revoker::SessionRevoker;

/// The lifetimes and limits of sessions that the operator sets.
#[derive(Debug, Clone)]
pub struct SessionSettings {
    pub access_token_lifetime: Duration,
    pub refresh_absolute_lifetime: Duration,
    pub refresh_idle_lifetime: Duration,
    /// The time after a rotation during which the previous token still gets the same successor. Zero is strict: a spent
    /// token is a replay immediately.
    pub refresh_grace: Duration,
    /// The time after a redemption during which the validation token still gets the same session. Zero allows one use.
    pub redemption_grace: Duration,
    /// The maximum number of sessions of one user that one client may start in a minute, in one process. 0 means no
    /// limit.
    pub new_sessions_per_minute: u32,
    /// The maximum number of active sessions of one user through one client. Starting one more ends the least recently
    /// renewed one. 0 means no limit.
    pub sessions_per_client: u32,
}

impl Default for SessionSettings {
    fn default() -> Self {
        Self {
            // A service that verifies tokens by itself accepts those of a locked user until `exp`.
            access_token_lifetime: Duration::from_mins(5),
            refresh_absolute_lifetime: Duration::from_hours(30 * 24),
            refresh_idle_lifetime: Duration::from_hours(7 * 24),
            // Enough for the retries of a client; the shorter it is, the sooner a copied token is detected.
            refresh_grace: Duration::from_secs(30),
            // A validation token passes through a browser, so by default it works once.
            redemption_grace: Duration::ZERO,
            // Prevents a stolen token from filling the store.
            new_sessions_per_minute: 30,
            // More than the devices of a person. Each is a stored record for up to 30 days.
            sessions_per_client: 100,
        }
    }
}

/// The ports that sessions use.
#[derive(Clone)]
pub struct SessionPorts {
    pub stores: Stores,
    pub runtime: Runtime,
    pub signer: Arc<dyn TokenSigner>,
    pub refresh_token_codec: Arc<dyn RefreshTokenCodec>,
}
