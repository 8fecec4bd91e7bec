use async_trait::async_trait;
use domain::event::NewEvent;
use domain::identity::Identity;
use domain::ids::UserId;
use domain::removal::{PendingRemoval, RemovalPart};

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
    /// A user with this id was removed. [`create`](Identities::create) returns it while something of that user is still
    /// stored, [`replace`](Identities::replace) always. Nothing was written.
    Removed,
}

/// The outcome of removing an identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RemovalOutcome {
    /// This call removed the user.
    Removed,
    /// There is no such user, or the user was removed before. Nothing was written.
    NotFound,
    /// The outbox has no room for the event. Nothing was written.
    OutboxFull,
}

/// Users.
pub const IDENTITIES: Aggregate = Aggregate {
    name: "identities",
    has_outbox: true,
};

/// The logins of users, each reserved for one user.
pub const LOGINS: Aggregate = Aggregate {
    name: "logins",
    has_outbox: false,
};

/// The store of users, written by the operator and by a SAML login that creates a user.
///
/// An unknown user is `None`. A login belongs to at most one user, even under concurrent writes: it is reserved before
/// the identity is written. After a crash between the two writes, the next attempt completes them. Saving again changes
/// nothing.
///
/// A removed user leaves a tombstone: the id, the parts that are not erased yet ([`RemovalPart`]), and the outbox, whose
/// sequence goes on when the id is created again. Except for [`create`](Self::create) and
/// [`replace`](Self::replace), a tombstone counts as an unknown user.
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

    /// Inserts a user. Of two concurrent calls with one login, one returns `Saved` and the other `LoginTaken`. A removed
    /// user of this id is replaced once nothing of it is stored but the tombstone; nothing is taken over from it.
    ///
    /// # Errors
    ///
    /// Returns [`StoreError`] when the store cannot answer; a taken id or login is an outcome.
    async fn create(&self, identity: &Identity) -> Result<IdentitySaveOutcome, StoreError>;

    /// Replaces the user with this id, logins included; inserts it when it is absent. A removed user is not replaced: a
    /// change that was decided before the removal must not bring the user back.
    ///
    /// # Errors
    ///
    /// Returns [`StoreError`] when the store cannot answer; a taken login is an outcome.
    async fn replace(&self, identity: &Identity) -> Result<IdentitySaveOutcome, StoreError>;

    /// Turns the user into a tombstone with all parts pending, and pushes the event. One atomic write, which erases
    /// everything of the identity but its id. Of several calls one returns `Removed`.
    ///
    /// # Errors
    ///
    /// Returns [`StoreError`] when the store cannot answer.
    async fn remove(&self, id: &UserId, event: NewEvent) -> Result<RemovalOutcome, StoreError>;

    /// Returns up to `limit` removed users of whom a part is pending, in the order of their ids, beginning after
    /// `after`.
    ///
    /// # Errors
    ///
    /// Returns [`StoreError`] when the store cannot answer.
    async fn pending_removals(&self, after: Option<&UserId>, limit: usize) -> Result<Vec<PendingRemoval>, StoreError>;

    /// Deletes the logins of a removed user. Changes nothing for a user who was not removed. A repeated call deletes
    /// the rest.
    ///
    /// # Errors
    ///
    /// Returns [`StoreError`] when the store cannot answer; some logins may have been deleted.
    async fn release_logins(&self, id: &UserId) -> Result<(), StoreError>;

    /// Strikes a part of a removed user that has been erased. One conditional write: it changes nothing if the part is
    /// not pending, as after an earlier call, or if the user was not removed.
    ///
    /// # Errors
    ///
    /// Returns [`StoreError`] when the store cannot answer.
    async fn finish_removal(&self, id: &UserId, part: RemovalPart) -> Result<(), StoreError>;

    /// Returns up to `limit` users in the order of their ids, beginning after `after`.
    ///
    /// # Errors
    ///
    /// Returns [`StoreError`] when the store cannot answer.
    async fn page(&self, after: Option<&UserId>, limit: usize) -> Result<Vec<Identity>, StoreError>;
}
