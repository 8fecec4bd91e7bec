use async_trait::async_trait;
use domain::names::KnownName;

use crate::StoreError;

/// The names of roles and scopes that the operator made known, beside those that AuthMe itself gives a meaning.
///
/// A name that was not made known is not in any page. Each call is atomic. Adding again changes nothing.
#[async_trait]
pub trait KnownNames: Send + Sync {
    /// Whether it was not known before.
    async fn add(&self, name: &KnownName) -> Result<bool, StoreError>;

    /// Up to `limit` names, roles before scopes and each in the order of their bytes; those after `after`.
    async fn page(&self, after: Option<&KnownName>, limit: usize) -> Result<Vec<KnownName>, StoreError>;
}
