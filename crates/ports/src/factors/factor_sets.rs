use async_trait::async_trait;
use domain::event::NewEvent;
use domain::factors::FactorSet;
use domain::identity::Identity;
use domain::ids::UserId;

use crate::{SaveOutcome, StoreError};

/// The store of factor sets. A user without one has an empty set of version 0.
#[async_trait]
pub trait FactorSets: Send + Sync {
    /// Returns the user's set, whether or not the user exists.
    ///
    /// # Errors
    ///
    /// Returns [`StoreError`] when the store cannot answer; never an empty set instead.
    async fn find(&self, user: &UserId) -> Result<FactorSet, StoreError>;

    /// Returns the set together with the user that it belongs to, in one read if the store holds both; `None` when the
    /// user does not exist.
    ///
    /// # Errors
    ///
    /// Returns [`StoreError`] when the store cannot answer.
    async fn find_with_owner(&self, user: &UserId) -> Result<Option<(Identity, FactorSet)>, StoreError>;

    /// Stores the set and its events in one atomic write if the stored version is still `set.version`, and raises the
    /// version. A repeated call is a conflict. Callers save an unchanged set as well, before they answer: because of
    /// the raised version, an abandoned write that arrives late matches nothing (`docs/protocols.md` "Lock commands").
    ///
    /// # Errors
    ///
    /// Returns [`StoreError`] when the store cannot answer; a conflict and a full outbox are outcomes.
    async fn save_if_version(&self, set: &FactorSet, events: Vec<NewEvent>) -> Result<SaveOutcome, StoreError>;
}
