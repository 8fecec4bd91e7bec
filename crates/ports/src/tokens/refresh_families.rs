use std::time::Duration;

use async_trait::async_trait;
use domain::event::NewEvent;
use domain::ids::FamilyId;
use domain::time::Timestamp;
use domain::tokens::{Nonce, PresentedToken, RefreshFamily, RevocationReason};

use crate::StoreError;

/// What a rotation came to.
#[expect(clippy::large_enum_variant, reason = "made once per call and taken apart at once")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RotationOutcome {
    /// This call, and no other, made the successor: the family was [`rotated`](RefreshFamily::rotated) as it was asked.
    Rotated,
    /// The presented token was not current, or the family not alive; the family as it was found. Nothing changed.
    Superseded(RefreshFamily),
    /// There is no such family.
    Unknown,
}

/// What closing a family came to.
#[expect(clippy::large_enum_variant, reason = "made once per call and taken apart at once")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CloseOutcome {
    /// This call closed it.
    Closed,
    /// Not matched; the family as it was found. Nothing changed.
    NotMatched(RefreshFamily),
    Unknown,
}

/// The sessions.
///
/// An unknown family is `None`. Each call is one atomic write with its whole condition in its arguments.
#[async_trait]
pub trait RefreshFamilies: Send + Sync {
    /// The family as a majority of the store has it.
    async fn find(&self, id: &FamilyId) -> Result<Option<RefreshFamily>, StoreError>;

    /// The family now: sees every write that was acknowledged, anywhere, before the look began. Linearizable; the two
    /// looks differ as those of [`LockStatuses`](crate::LockStatuses) do.
    async fn read_linearizable(&self, id: &FamilyId) -> Result<Option<RefreshFamily>, StoreError>;

    /// The family after a write that changed something and that this process was acknowledged: sees every write that was
    /// acknowledged, anywhere, before that one began.
    async fn read_after_write(&self, id: &FamilyId) -> Result<Option<RefreshFamily>, StoreError>;

    /// Inserts a new family with its first event, in one write; whether this call did. A family that is there already came
    /// of an earlier attempt of the same call, whose answer was lost: a repeated call changes nothing.
    async fn start(&self, family: &RefreshFamily, event: NewEvent) -> Result<bool, StoreError>;

    /// Compare-and-swap: when the family is active, belongs to the presenting client and user, is past neither expiry
    /// at `now` and its current generation and nonce are the presented ones, moves on by one generation with `nonce`,
    /// which no other call has. Two calls at once with one token: one is `Rotated`, the other `Superseded`.
    async fn rotate(
        &self,
        presented: &PresentedToken,
        nonce: Nonce,
        now: Timestamp,
        idle_lifetime: Duration,
    ) -> Result<RotationOutcome, StoreError>;

    /// Closes an active, unexpired family of the presenting client and user when the presented token is the current
    /// one, or the one before it and `now` lies within `grace` of the rotation. No event. A repeated call does not match.
    async fn close(
        &self,
        presented: &PresentedToken,
        now: Timestamp,
        grace: Duration,
    ) -> Result<CloseOutcome, StoreError>;

    /// Ends an active family with its event; whether this call did. One that is closed is ended in the same way when the
    /// reason [ends closed families](RevocationReason::ends_closed_families), because its branches look at it. A repeated
    /// call changes nothing, and so does one for a family that is not there.
    async fn revoke(&self, id: &FamilyId, reason: RevocationReason, event: NewEvent) -> Result<bool, StoreError>;
}
