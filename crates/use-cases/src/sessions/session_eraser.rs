use std::sync::Arc;

use domain::ids::UserId;
use domain::removal::RemovalPart;
use futures_util::future::BoxFuture;
use ports::sessions::RefreshFamilies;

use crate::UseCaseError;
use crate::removed_users::PartEraser;

/// The maximum number of sessions that one pass erases of a user. A write of this size does not noticeably delay a
/// request.
const BATCH: usize = 500;

/// Erases the sessions of a removed user, each after its events are published.
pub struct SessionEraser(pub Arc<dyn RefreshFamilies>);

impl PartEraser for SessionEraser {
    fn part(&self) -> RemovalPart {
        RemovalPart::Sessions
    }

    fn erase<'a>(&'a self, user: &'a UserId) -> BoxFuture<'a, Result<bool, UseCaseError>> {
        Box::pin(async move { Ok(!self.0.erase_user(user, BATCH).await?) })
    }
}
