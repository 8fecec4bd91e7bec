use std::time::Duration;

use async_trait::async_trait;
use domain::event::NewEvent;
use domain::ids::{ClientId, FamilyId, UserId};
use domain::sessions::{Nonce, PresentedToken, RefreshFamily, RevocationReason, SignInStatus};
use domain::time::Timestamp;

use crate::{Aggregate, StoreError};

/// The outcome of a rotation.
#[expect(
    clippy::large_enum_variant,
    reason = "constructed once per call and matched immediately"
)]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RotationOutcome {
    /// This call, and no other, created the successor. The stored family is the one that [`RefreshFamily::rotate`]
    /// returns.
    Rotated,
    /// The condition did not hold: the presented token was not the current one, or the family was no longer active.
    /// Carries the family as it was found, for [`judge`](RefreshFamily::judge); nothing changed.
    Superseded(RefreshFamily),
    /// There is no such family.
    Unknown,
}

/// The outcome of closing a family.
#[expect(
    clippy::large_enum_variant,
    reason = "constructed once per call and matched immediately"
)]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CloseOutcome {
    /// This call closed the family.
    Closed,
    /// The condition did not hold. Carries the family as it was found; nothing changed.
    NotMatched(RefreshFamily),
    /// There is no such family.
    Unknown,
}

/// The condition of a search for the sessions of a user that can be renewed: active, unexpired, and not ended by a lock
/// or by an end of all sessions. Ancestors are not considered.
#[derive(Debug, Clone)]
pub struct ActiveFamilies {
    /// The user of the sessions.
    pub user: UserId,
    /// The present credential epoch.
    pub epoch: u64,
    /// The present sessions version, and the session that it keeps.
    pub sign_in: SignInStatus,
    /// The time at which neither expiry has come.
    pub at: Timestamp,
}

/// Refresh token families.
pub const REFRESH_FAMILIES: Aggregate = Aggregate {
    name: "refresh_families",
    has_outbox: true,
};

/// The store of sessions.
///
/// An unknown family is `None`. Each write is one atomic statement with its whole condition in its arguments.
#[async_trait]
pub trait RefreshFamilies: Send + Sync {
    /// Returns the family as a majority of the replicas has it. Right after a failover, the result may be behind an
    /// acknowledged write.
    ///
    /// # Errors
    ///
    /// Returns [`StoreError`] when the store cannot answer.
    async fn find(&self, id: &FamilyId) -> Result<Option<RefreshFamily>, StoreError>;

    /// Returns the present family. Linearizable: it sees every write that was acknowledged to any process before the
    /// read began. The difference between the two reads is explained at [`LockStatuses`](crate::LockStatuses).
    ///
    /// # Errors
    ///
    /// Returns [`StoreError`] when the store cannot answer; never `None` instead.
    async fn read_linearizable(&self, id: &FamilyId) -> Result<Option<RefreshFamily>, StoreError>;

    /// Returns the family after a write of this process that matched and was acknowledged: it sees every write that was
    /// acknowledged to any process before that write began.
    ///
    /// # Errors
    ///
    /// Returns [`StoreError`] when the store cannot answer; never `None` instead.
    async fn read_after_write(&self, id: &FamilyId) -> Result<Option<RefreshFamily>, StoreError>;

    /// Inserts a new family with its first event, in one write, and returns whether this attempt inserted it. The id is
    /// random, so a family that exists already was inserted by an earlier attempt of the same call, whose answer was
    /// lost: a repeated call changes nothing.
    ///
    /// # Errors
    ///
    /// Returns [`StoreError`] when the store cannot answer.
    async fn start(&self, family: &RefreshFamily, event: NewEvent) -> Result<bool, StoreError>;

    /// Rotates a family by compare-and-swap. Condition: the family is active, belongs to the presenting client and
    /// user, neither expiry has come at `now`, and its generation and nonce are the presented ones. Effect: the next
    /// generation, with `nonce`, which no other call has.
    ///
    /// A and B present the same token at the same time: one call returns `Rotated`, the other `Superseded` with the
    /// rotated family. A repeated call returns `Superseded`.
    ///
    /// # Errors
    ///
    /// Returns [`StoreError`] when the store cannot answer.
    async fn rotate(
        &self,
        presented: &PresentedToken,
        nonce: Nonce,
        now: Timestamp,
        idle_lifetime: Duration,
    ) -> Result<RotationOutcome, StoreError>;

    /// Closes an active, unexpired family of the presenting client and user if the presented token is the current one,
    /// or the one before it and less than `grace` has passed since the rotation. There is no event. A repeated call
    /// returns `NotMatched`.
    ///
    /// # Errors
    ///
    /// Returns [`StoreError`] when the store cannot answer.
    async fn close(
        &self,
        presented: &PresentedToken,
        now: Timestamp,
        grace: Duration,
    ) -> Result<CloseOutcome, StoreError>;

    /// Returns the families that match, in the order of their ids, those whose id is greater than `after`; at most
    /// `limit`. Found by an index on the user. The result may be behind an acknowledged write.
    ///
    /// # Errors
    ///
    /// Returns [`StoreError`] when the store cannot answer.
    async fn list_active(
        &self,
        families: &ActiveFamilies,
        after: Option<&FamilyId>,
        limit: usize,
    ) -> Result<Vec<RefreshFamily>, StoreError>;

    /// Returns the families of one client that match, except the `kept` most recently rotated ones: the most recent
    /// of them first, at most `limit`. Found by the same index. The result may be behind an acknowledged write.
    ///
    /// # Errors
    ///
    /// Returns [`StoreError`] when the store cannot answer.
    async fn find_least_recent(
        &self,
        families: &ActiveFamilies,
        client: &ClientId,
        kept: usize,
        limit: usize,
    ) -> Result<Vec<RefreshFamily>, StoreError>;

    /// Raises the sessions version of an active family to `sessions_version`, at which an end of all sessions kept it.
    /// Changes nothing if the family has this version or a higher one, or is not active: a repeated call, or one that
    /// arrives late, changes nothing. There is no event.
    ///
    /// # Errors
    ///
    /// Returns [`StoreError`] when the store cannot answer.
    async fn stamp(&self, id: &FamilyId, sessions_version: u64) -> Result<(), StoreError>;

    /// Revokes an active family, with its event in the same write, and returns whether this call did. A closed family
    /// is revoked too if the reason [ends closed families](RevocationReason::ends_closed_families), because its
    /// branches check its status. A repeated call changes nothing, nor does one for an unknown family.
    ///
    /// # Errors
    ///
    /// Returns [`StoreError`] when the store cannot answer.
    async fn revoke(&self, id: &FamilyId, reason: RevocationReason, event: NewEvent) -> Result<bool, StoreError>;

    /// Deletes up to `limit` families of a user, whatever their status, except those with events that are not published
    /// yet. Returns whether any family of the user is left. A repeated call deletes the next ones.
    ///
    /// # Errors
    ///
    /// Returns [`StoreError`] when the store cannot answer; some families may have been deleted.
    async fn erase_user(&self, user: &UserId, limit: usize) -> Result<bool, StoreError>;
}
