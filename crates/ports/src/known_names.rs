use async_trait::async_trait;
use domain::names::KnownName;

use crate::{Aggregate, StoreError};

/// Roles and scopes that operators added.
pub const KNOWN_NAMES: Aggregate = Aggregate {
    name: "known_names",
    has_outbox: false,
};

/// The names of roles and scopes that the operator made known. Those that AuthMe itself defines are not stored.
///
/// A name that was not made known is on no page. Each call is atomic. Adding again changes nothing.
#[async_trait]
pub trait KnownNames: Send + Sync {
    /// Adds a name and returns whether it was unknown before.
    ///
    /// # Errors
    ///
    /// Returns [`StoreError`] when the store cannot answer.
    async fn add(&self, name: &KnownName) -> Result<bool, StoreError>;

    /// Returns up to `limit` names, beginning after `after`: roles before scopes, each in the order of their bytes.
    ///
    /// # Errors
    ///
    /// Returns [`StoreError`] when the store cannot answer.
    async fn page(&self, after: Option<&KnownName>, limit: usize) -> Result<Vec<KnownName>, StoreError>;
}
