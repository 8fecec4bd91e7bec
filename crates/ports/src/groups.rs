use async_trait::async_trait;
use domain::group::Group;

use crate::StoreError;

/// The known groups, written by the operator.
///
/// Unknown names are left out of an answer. Each call is atomic. Saving or removing again changes nothing.
#[async_trait]
pub trait Groups: Send + Sync {
    /// Those of `names` that are known, in the order given.
    async fn find(&self, names: &[String]) -> Result<Vec<Group>, StoreError>;

    async fn save(&self, group: &Group) -> Result<(), StoreError>;

    /// Whether there was one.
    async fn remove(&self, name: &str) -> Result<bool, StoreError>;

    /// Up to `limit` groups in the order of their names, those after `after`.
    async fn page(&self, after: Option<&str>, limit: usize) -> Result<Vec<Group>, StoreError>;
}
