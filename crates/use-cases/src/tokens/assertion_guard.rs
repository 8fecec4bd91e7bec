use std::sync::Arc;

use domain::caller::Call;
use domain::ids::{ClientId, UserId};
use domain::sessions::UsedOncePurpose;
use domain::tokens::{Assertion, AssertionError};
use ports::sessions::{UsedOnce, UsedOnceHasher};
use ports::{AuditOutcome, AuditRecord, AuditTrail, Clock};

use super::TokensPorts;
use crate::sessions::TokenError;

/// Refuses assertions that have expired or were used (docs/protocols.md "Assertions").
pub(super) struct AssertionGuard {
    used_once: Arc<dyn UsedOnce>,
    hasher: Arc<dyn UsedOnceHasher>,
    clock: Arc<dyn Clock>,
    audit: Arc<dyn AuditTrail>,
}

impl AssertionGuard {
    pub(super) fn new(ports: &TokensPorts) -> Self {
        Self {
            used_once: ports.stores.used_once.clone(),
            hasher: ports.crypto.used_once_hasher.clone(),
            clock: ports.runtime.clock.clone(),
            audit: ports.runtime.audit.clone(),
        }
    }

    /// Rejects an assertion whose end has come or is too far ahead. Reads no store.
    pub(super) fn check_end(&self, call: &Call, target: &ClientId, assertion: &Assertion) -> Result<(), TokenError> {
        match assertion.check(self.clock.now()) {
            Ok(()) => Ok(()),
            Err(AssertionError::EndsTooLate) => Err(TokenError::AssertionEndsTooLate),
            Err(AssertionError::Expired) => {
                self.record(call, vec![("client", target.to_string())], "assertion expired");
                Err(TokenError::AssertionExpired)
            }
        }
    }

    /// Marks the assertion as used by the calling client. Rejects one that this client used before. An assertion without
    /// an id is always accepted.
    pub(super) async fn mark_used(
        &self,
        call: &Call,
        (target, user): (&ClientId, &UserId),
        assertion: &Assertion,
    ) -> Result<(), TokenError> {
        let Some(id) = &assertion.id else { return Ok(()) };
        let parts = [call.client.as_str(), id.as_str()];
        let key = self.hasher.key(UsedOncePurpose::SamlAssertion, &parts);
        let purge_at = assertion.remembered_until(self.clock.now());
        if self.used_once.mark_used(&key, purge_at).await? {
            return Ok(());
        }
        let object = vec![("client", target.to_string()), ("user", user.to_string())];
        self.record(call, object, "assertion used before");
        Err(TokenError::AssertionUsed)
    }

    /// Writes an audit record of a refusal, which may be a replay. It does not have the id of the assertion.
    fn record(&self, call: &Call, object: Vec<(&'static str, String)>, reason: &str) {
        let record = AuditRecord::new(self.clock.now(), "handleAuth", AuditOutcome::Refused).in_call(call);
        self.audit.record(&AuditRecord {
            object,
            reason: Some(reason.to_owned()),
            ..record
        });
    }
}
