use async_trait::async_trait;
use domain::identity::Identity;
use domain::ids::UserId;

use crate::StoreError;

/// What saving an identity came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IdentitySaveOutcome {
    Saved,
    /// A login of this identity leads to another user already; nothing of it was written.
    LoginTaken {
        by: UserId,
    },
    /// A user with this id exists already; nothing was written.
    IdTaken,
}

/// The users, written by the operator and by the hand-off when it makes one.
///
/// An unknown user is `None`. A login leads to at most one user, whoever writes at the same time: it is reserved before
/// the identity is written, so a crash between the two is finished by the next attempt. Saving again changes nothing.
#[async_trait]
pub trait Identities: Send + Sync {
    /// The user, as a majority of the store has it. That there is none is looked at once more before it is said, linearizably.
    async fn find(&self, id: &UserId) -> Result<Option<Identity>, StoreError>;

    /// The user whom a login leads to; `login` is a contact's comparison key. Strangers choose logins, so nothing is looked at
    /// once more.
    async fn find_by_login(&self, login: &str) -> Result<Option<Identity>, StoreError>;

    /// Inserts a user. Of two calls at once with one login, one saves and the other is told who took it.
    async fn create(&self, identity: &Identity) -> Result<IdentitySaveOutcome, StoreError>;

    /// Replaces the user with this id, logins included; inserts it when absent.
    async fn replace(&self, identity: &Identity) -> Result<IdentitySaveOutcome, StoreError>;

    /// Removes the user and its logins; whether there was one.
    async fn remove(&self, id: &UserId) -> Result<bool, StoreError>;

    /// Up to `limit` users in the order of their ids, those after `after`.
    async fn page(&self, after: Option<&UserId>, limit: usize) -> Result<Vec<Identity>, StoreError>;
}
