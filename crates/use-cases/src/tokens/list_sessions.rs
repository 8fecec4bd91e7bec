use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use domain::ids::{FamilyId, UserId};
use domain::sessions::{FamilyStatus, RefreshFamily};
use futures_util::future::{join3, try_join_all};
use ports::sessions::{ActiveFamilies, RefreshFamilies, SignInStatuses};
use ports::{Clock, Identities, LockStatuses, Runtime, StoreError, Stores};

use super::session_error::SessionError;

/// A page of a user's sessions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionPage {
    pub sessions: Vec<RefreshFamily>,
    /// The session after which the next page begins; `None` on the last page.
    pub next: Option<FamilyId>,
}

/// Lists the sessions of a user that can be renewed: active and unexpired, of the present epoch and sessions version,
/// without a revoked ancestor.
pub struct ListSessions {
    identities: Arc<dyn Identities>,
    lock_statuses: Arc<dyn LockStatuses>,
    sign_in_statuses: Arc<dyn SignInStatuses>,
    families: Arc<dyn RefreshFamilies>,
    clock: Arc<dyn Clock>,
}

impl ListSessions {
    pub fn new(stores: &Stores, runtime: &Runtime) -> Self {
        Self {
            identities: stores.identities.clone(),
            lock_statuses: stores.lock_statuses.clone(),
            sign_in_statuses: stores.sign_in_statuses.clone(),
            families: stores.refresh_families.clone(),
            clock: runtime.clock.clone(),
        }
    }

    /// Returns the sessions after `after`, in the order of their ids. At most `limit` are read; a page has fewer if
    /// some of them descend from a revoked session.
    #[tracing::instrument(level = "debug", name = "list_sessions", skip_all, fields(user = user.as_str()))]
    pub async fn run(
        &self,
        user: &UserId,
        after: Option<&FamilyId>,
        limit: usize,
    ) -> Result<SessionPage, SessionError> {
        let (identity, lock_status, sign_in) = join3(
            self.identities.find(user),
            self.lock_statuses.read_linearizable(user),
            self.sign_in_statuses.read_linearizable(user),
        )
        .await;
        identity?.ok_or(SessionError::UserNotFound)?;
        let active = ActiveFamilies {
            user: user.clone(),
            // A lock raises the epoch, so a locked user has no session of the present one.
            epoch: lock_status?.epoch,
            sign_in: sign_in?,
            at: self.clock.now(),
        };
        let found = self.families.list_active(&active, after, limit).await?;
        let is_full = found.len() == limit;
        let next = found.last().filter(|_| is_full).map(|last| last.id.clone());
        let revoked = self.revoked_ancestors(&found).await?;
        let is_revoked = |family: &RefreshFamily| family.origin.ancestors.iter().any(|id| revoked.contains(id));
        Ok(SessionPage {
            sessions: found.into_iter().filter(|family| !is_revoked(family)).collect(),
            next,
        })
    }

    /// Returns the ancestors of these sessions that are revoked or absent. Each ancestor is read once.
    async fn revoked_ancestors(&self, sessions: &[RefreshFamily]) -> Result<HashSet<FamilyId>, StoreError> {
        let ancestors: BTreeSet<&FamilyId> = sessions.iter().flat_map(|family| &family.origin.ancestors).collect();
        let reads = ancestors.iter().map(|id| self.families.find(id));
        let found = try_join_all(reads).await?;
        let is_revoked = |family: &Option<RefreshFamily>| {
            let status = family.as_ref().map(|family| family.status);
            matches!(status, Some(FamilyStatus::Revoked(_)) | None)
        };
        let revoked = ancestors
            .into_iter()
            .zip(found)
            .filter(|(_, family)| is_revoked(family));
        Ok(revoked.map(|(id, _)| id.clone()).collect())
    }
}
