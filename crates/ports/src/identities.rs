use async_trait::async_trait;
use domain::identity::Identity;
use domain::ids::UserId;

use crate::{Aggregate, StoreError};

/// The outcome of saving an identity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IdentitySaveOutcome {
    /// The identity and its logins are stored as given.
    Saved,
    /// A login of this identity belongs to another user already. Nothing of the identity was written.
    LoginTaken {
        /// The user that has the login.
        by: UserId,
    },
    /// A user with this id exists already. Nothing was written.
    IdTaken,
}

/// Users.
pub const IDENTITIES: Aggregate = Aggregate {
    name: "identities",
    has_outbox: false,
};

/// The store of users, written by the operator and by a SAML login that creates a user.
///
/// An unknown user is `None`. A login belongs to at most one user, even under concurrent writes: it is reserved before
/// the identity is written. After a crash between the two writes, the next attempt completes them. Saving again changes
/// nothing.
#[async_trait]
pub trait Identities: Send + Sync {
    /// Returns the user as a majority of the replicas has it. Before it returns `None`, it reads once more,
    /// linearizably, because a majority read right after a failover may be behind an acknowledged write.
    ///
    /// # Errors
    ///
    /// Returns [`StoreError`] when the store cannot answer; never instead of `None`.
    async fn find(&self, id: &UserId) -> Result<Option<Identity>, StoreError>;

    /// Returns the user that a login belongs to; `login` is a contact's comparison key. Absence is not confirmed by a
    /// linearizable read: the caller chooses the login, and must not be able to cause such expensive reads.
    ///
    /// # Errors
    ///
    /// Returns [`StoreError`] when the store cannot answer.
    async fn find_by_login(&self, login: &str) -> Result<Option<Identity>, StoreError>;

    /// Inserts a user. Of two concurrent calls with one login, one returns `Saved` and the other `LoginTaken`.
    ///
    /// # Errors
    ///
    /// Returns [`StoreError`] when the store cannot answer; a taken id or login is an outcome.
    async fn create(&self, identity: &Identity) -> Result<IdentitySaveOutcome, StoreError>;

    /// Replaces the user with this id, logins included; inserts it when it is absent.
    ///
    /// # Errors
    ///
    /// Returns [`StoreError`] when the store cannot answer; a taken login is an outcome.
    async fn replace(&self, identity: &Identity) -> Result<IdentitySaveOutcome, StoreError>;

    /// Removes the user and its logins and returns whether it existed.
    ///
    /// # Errors
    ///
    /// Returns [`StoreError`] when the store cannot answer.
    async fn remove(&self, id: &UserId) -> Result<bool, StoreError>;

    /// Returns up to `limit` users in the order of their ids, beginning after `after`.
    ///
    /// # Errors
    ///
    /// Returns [`StoreError`] when the store cannot answer.
    async fn page(&self, after: Option<&UserId>, limit: usize) -> Result<Vec<Identity>, StoreError>;
}
