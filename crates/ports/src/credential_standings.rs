use async_trait::async_trait;
use domain::ids::UserId;
use domain::standing::Standing;

use crate::StoreFailure;

/// Looks at the lock of a user. At the root because every context looks, and none but `credential_lock` writes.
#[async_trait]
pub trait CredentialStandings: Send + Sync {
    /// The standing now; a user never locked stands at epoch 0. The look sees every write that was acknowledged,
    /// anywhere, before it began: this is the second half of store-then-look (03-protocols 2). It is never cached.
    async fn look(&self, user: &UserId) -> Result<Standing, StoreFailure>;
}
