use async_trait::async_trait;
use domain::ids::UserId;
use domain::sessions::SignInStatus;

use crate::StoreError;

/// Reads the part of a user's sign-in that decides whether a session or token was ended together with all others. The
/// sign-ins themselves are an aggregate with rules, [`Stores::sign_ins`](crate::Stores::sign_ins).
///
/// A user without a stored sign-in has sessions version 0. It is read beside the lock status and with the same
/// consistency; [`LockStatuses`](crate::LockStatuses) explains why there are two reads. It is never cached.
#[async_trait]
pub trait SignInStatuses: Send + Sync {
    /// Returns the present status. Linearizable: it sees every write that was acknowledged to any process before the
    /// read began.
    ///
    /// # Errors
    ///
    /// Returns [`StoreError`] when the store cannot answer; never version 0 instead.
    async fn read_linearizable(&self, user: &UserId) -> Result<SignInStatus, StoreError>;

    /// Returns the status after a write of this process that matched and was acknowledged. Causally consistent: it sees
    /// every write that was acknowledged to any process before that write began.
    ///
    /// # Errors
    ///
    /// Returns [`StoreError`] when the store cannot answer; never version 0 instead.
    async fn read_after_write(&self, user: &UserId) -> Result<SignInStatus, StoreError>;
}
