//! The erasure of removed users (docs/protocols.md "Removal of a user"): each context erases its part of what is stored,
//! and strikes it from the tombstone.

use std::sync::Arc;

use domain::ids::UserId;
use domain::removal::RemovalPart;
use futures_util::future::BoxFuture;
use ports::{Identities, StoreError};

use crate::UseCaseError;

/// The number of removed users that are read at once.
const PAGE_SIZE: usize = 100;

/// The erasure of one part, by the context that owns it.
pub trait PartEraser: Send + Sync {
    /// Returns the part.
    fn part(&self) -> RemovalPart;

    /// Erases the part of a removed user, and returns whether nothing of it is left. A repeated call continues where an
    /// earlier one ended.
    fn erase<'a>(&'a self, user: &'a UserId) -> BoxFuture<'a, Result<bool, UseCaseError>>;
}

/// Erases what is stored of removed users, for the contexts of this process.
#[derive(Clone)]
pub struct EraseRemovedUsers {
    identities: Arc<dyn Identities>,
    parts: Vec<Arc<dyn PartEraser>>,
}

impl EraseRemovedUsers {
    /// The parts are erased in the order of [`RemovalPart`], so that one pass suffices if this process erases all.
    pub fn new(identities: Arc<dyn Identities>, mut parts: Vec<Arc<dyn PartEraser>>) -> Self {
        parts.sort_by_key(|part| part.part());
        Self { identities, parts }
    }

    /// Goes once through all removed users with a pending part. A part that cannot be erased is logged and tried again
    /// in the next pass; it delays neither other parts nor other users. Every step may be repeated: a process that dies
    /// between erasing a part and striking it erases it again.
    pub async fn run(&self) -> Result<(), StoreError> {
        let mut after: Option<UserId> = None;
        loop {
            let page = self.identities.pending_removals(after.as_ref(), PAGE_SIZE).await?;
            let Some(last) = page.last() else { return Ok(()) };
            after = Some(last.user.clone());
            for mut removal in page {
                for part in &self.parts {
                    if removal.is_due(part.part()) && self.erase(&**part, &removal.user).await {
                        removal.parts.retain(|pending| *pending != part.part());
                    }
                }
            }
        }
    }

    /// Erases one part and strikes it. Returns whether it is struck.
    async fn erase(&self, part: &dyn PartEraser, user: &UserId) -> bool {
        let erased = async {
            let is_erased = part.erase(user).await?;
            if is_erased {
                self.identities.finish_removal(user, part.part()).await?;
            }
            Ok::<_, UseCaseError>(is_erased)
        };
        erased.await.unwrap_or_else(|error| {
            tracing::warn!(
                user = user.as_str(),
                part = part.part().as_str(),
                error = &error as &dyn std::error::Error,
                "a part of a removed user could not be erased; the next pass tries again"
            );
            false
        })
    }
}
