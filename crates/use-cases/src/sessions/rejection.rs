use domain::caller::Call;
use domain::ids::{ClientId, FamilyId, UserId};
use domain::sessions::{FamilyStatus, RefreshFamily, RevocationReason};

use super::TokenError;
use super::active_check::InactiveReason;

/// The reason why a presented token or session is rejected. Only the log has it; the caller's answer is the same for
/// all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RejectionReason {
    /// The text is not a refresh token, or its MAC is wrong.
    #[error("forged")]
    Forged,
    /// The store has no record of it. It may have expired long ago and been purged.
    #[error("unknown")]
    Unknown,
    #[error("of another client or user")]
    NotOwned,
    #[error("expired")]
    Expired,
    /// The validation token was consumed before, and this use does not repeat the consumption, or comes too late.
    #[error("used")]
    Used,
    /// A spent refresh token was presented (refresh token reuse), which revoked its session.
    #[error("replay")]
    Replay,
    /// The session was closed by a renewal with `remember-me=false`.
    #[error("session closed")]
    Closed,
    #[error("session revoked: {}", .0.as_str())]
    Revoked(RevocationReason),
    #[error(transparent)]
    Inactive(InactiveReason),
}

impl RejectionReason {
    /// Returns the reason for a family that is not active.
    pub(crate) const fn of_inactive(family: &RefreshFamily) -> Self {
        match family.status {
            FamilyStatus::Revoked(reason) => Self::Revoked(reason),
            FamilyStatus::Closed(_) => Self::Closed,
            FamilyStatus::Active => Self::Expired,
        }
    }
}

/// Logs the reason, and returns the error for the caller, which does not have it.
pub(crate) fn reject(call: &Call, session: Option<&FamilyId>, reason: RejectionReason) -> TokenError {
    tracing::info!(
        request_id = &*call.request.id,
        client = ClientId::as_str(&call.client),
        user = call.user_id().map(UserId::as_str),
        address = call.request.address.map(tracing::field::display),
        session = session.map(FamilyId::as_str),
        %reason,
        "a token is refused"
    );
    TokenError::TokenNotValid
}
