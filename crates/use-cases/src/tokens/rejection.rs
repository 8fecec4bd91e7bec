use domain::caller::Call;
use domain::ids::{ClientId, FamilyId, UserId};
use domain::tokens::{FamilyStatus, RefreshFamily, RevocationReason};

use super::TokenError;
use crate::InactiveReason;

/// Why a presented token or session gets nothing. The log says so; a caller is not told more than that it is not valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum RejectionReason {
    /// It is no token of ours, or was altered.
    #[error("forged")]
    Forged,
    /// Nothing is stored under it; what expired long ago is removed.
    #[error("unknown")]
    Unknown,
    #[error("of another client or user")]
    NotOwned,
    #[error("expired")]
    Expired,
    /// A validation token was used by another at the same moment.
    #[error("used")]
    Used,
    /// A spent refresh token came back, which ended its session.
    #[error("replay")]
    Replay,
    /// The session was closed by a renewal without remembering.
    #[error("session closed")]
    Closed,
    #[error("session revoked: {}", .0.as_str())]
    Revoked(RevocationReason),
    #[error(transparent)]
    Inactive(InactiveReason),
}

impl RejectionReason {
    /// Why a family that is not alive gets nothing.
    pub(super) const fn of_dead(family: &RefreshFamily) -> Self {
        match family.status {
            FamilyStatus::Revoked(reason) => Self::Revoked(reason),
            FamilyStatus::Closed(_) => Self::Closed,
            FamilyStatus::Active => Self::Expired,
        }
    }
}

/// Says in the log why, and answers what the caller is told.
pub(super) fn reject(call: &Call, session: Option<&FamilyId>, reason: RejectionReason) -> TokenError {
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
