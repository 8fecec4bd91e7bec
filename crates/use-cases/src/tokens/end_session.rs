use std::sync::Arc;

use domain::caller::Cause;
use domain::ids::{FamilyId, UserId};
use domain::sessions::RevocationReason;
use ports::sessions::RefreshFamilies;
use ports::{Runtime, Stores};

use super::session_error::SessionError;
use crate::sessions::SessionRevoker;

/// Ends one session of a user, as at a logout. Its branches end with it.
pub struct EndSession {
    families: Arc<dyn RefreshFamilies>,
    revoker: SessionRevoker,
}

impl EndSession {
    pub fn new(stores: &Stores, runtime: &Runtime) -> Self {
        Self {
            families: stores.refresh_families.clone(),
            revoker: SessionRevoker::new(stores, runtime),
        }
    }

    /// Returns once the session has ended, by this call or earlier. A session of another user counts as unknown.
    #[tracing::instrument(
        level = "debug",
        name = "end_session",
        skip_all,
        fields(user = user.as_str(), session = session.as_str())
    )]
    pub async fn run(&self, cause: Cause<'_>, user: &UserId, session: &FamilyId) -> Result<(), SessionError> {
        let found = self.families.read_linearizable(session).await?;
        let family = found.filter(|family| family.origin.user == *user);
        let family = family.ok_or(SessionError::SessionNotFound)?;
        Ok(self.revoker.revoke(cause, &family, RevocationReason::Logout).await?)
    }
}
