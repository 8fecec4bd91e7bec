use std::sync::Arc;

use domain::ids::UserId;
use domain::removal::RemovalPart;
use futures_util::future::BoxFuture;
use ports::Identities;

use crate::UseCaseError;
use crate::removed_users::PartEraser;

/// Deletes the logins of a removed user. From the removal on they find no user, and are free for others.
pub struct LoginEraser(pub Arc<dyn Identities>);

impl PartEraser for LoginEraser {
    fn part(&self) -> RemovalPart {
        RemovalPart::Logins
    }

    fn erase<'a>(&'a self, user: &'a UserId) -> BoxFuture<'a, Result<bool, UseCaseError>> {
        Box::pin(async move {
            self.0.release_logins(user).await?;
            Ok(true)
        })
    }
}
