use std::sync::Arc;

use domain::caller::Cause;
use domain::credential_lock::{CredentialLock, LockReason};
use domain::ids::UserId;
use ports::{MetricEvent, Telemetry, VersionedStore};

use super::lock_command::{LockCommandFactory, LockError, decide_and_save};

/// Locks a credential. After the lock was acknowledged, no renewal or login that begins then succeeds in any process,
/// because each mint reads the lock after its own write (docs/protocols.md "Mint gate").
pub struct LockCredential {
    commands: LockCommandFactory,
    credential_locks: Arc<dyn VersionedStore<CredentialLock>>,
    telemetry: Arc<dyn Telemetry>,
}

impl LockCredential {
    pub(super) fn new(
        commands: LockCommandFactory,
        credential_locks: Arc<dyn VersionedStore<CredentialLock>>,
        telemetry: Arc<dyn Telemetry>,
    ) -> Self {
        Self {
            commands,
            credential_locks,
            telemetry,
        }
    }

    /// Returns once the credential is locked. The result is whether this call changed it: repeating it changes nothing and
    /// pushes no second event.
    #[tracing::instrument(
        level = "debug",
        name = "lock_credential",
        skip_all,
        fields(client = cause.call().map(|call| call.client.as_str()), user = user.as_str())
    )]
    pub async fn run(&self, cause: Cause<'_>, user: UserId, reason: Option<LockReason>) -> Result<bool, LockError> {
        let command = self.commands.build(cause, user, reason).await?;
        let is_changed = decide_and_save(&*self.credential_locks, &command, CredentialLock::lock).await?;
        if is_changed {
            self.telemetry.record(MetricEvent::Lock);
        }
        Ok(is_changed)
    }
}
