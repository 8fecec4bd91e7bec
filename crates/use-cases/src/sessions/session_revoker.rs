use std::sync::Arc;

use domain::caller::Cause;
use domain::sessions::{RefreshFamily, RevocationReason, events};
use ports::sessions::RefreshFamilies;
use ports::{AuditOutcome, AuditRecord, AuditTrail, Clock, Randomness, Runtime, StoreError, Stores};

/// Revokes refresh token families, each with its event and audit record.
#[derive(Clone)]
pub(crate) struct SessionRevoker {
    families: Arc<dyn RefreshFamilies>,
    clock: Arc<dyn Clock>,
    randomness: Arc<dyn Randomness>,
    audit: Arc<dyn AuditTrail>,
}

impl SessionRevoker {
    pub(crate) fn new(stores: &Stores, runtime: &Runtime) -> Self {
        Self {
            families: stores.refresh_families.clone(),
            clock: runtime.clock.clone(),
            randomness: runtime.randomness.clone(),
            audit: runtime.audit.clone(),
        }
    }

    /// Revokes a family. If this call revoked it, an event and an audit record name the cause. Nothing changes if the
    /// family is closed or revoked already, except that a logout also revokes a closed one.
    pub(crate) async fn revoke(
        &self,
        cause: Cause<'_>,
        family: &RefreshFamily,
        reason: RevocationReason,
    ) -> Result<(), StoreError> {
        if !family.can_be_revoked(reason) {
            return Ok(());
        }
        let now = self.clock.now();
        let event = events::revocation_event(cause.event(self.randomness.event_id(now), now), family, reason);
        if self.families.revoke(&family.id, reason, event).await? {
            let record = AuditRecord::new(now, "endSession", AuditOutcome::Done).caused_by(cause);
            self.audit.record(&AuditRecord {
                object: vec![
                    ("user", family.origin.user.to_string()),
                    ("session", family.id.to_string()),
                ],
                reason: Some(reason.as_str().to_owned()),
                ..record
            });
        }
        Ok(())
    }
}
