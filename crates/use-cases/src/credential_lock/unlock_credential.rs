use std::sync::Arc;

use domain::caller::Cause;
use domain::credential_lock::{CredentialLock, LockReason};
use domain::ids::UserId;
use ports::{MetricEvent, Telemetry, VersionedStore};

use super::lock_command::{LockCommandFactory, LockError, decide_and_save};

/// Unlocks a credential. The epoch stays raised, so sessions from before the lock stay inactive.
pub struct UnlockCredential {
    commands: LockCommandFactory,
    credential_locks: Arc<dyn VersionedStore<CredentialLock>>,
    telemetry: Arc<dyn Telemetry>,
}

impl UnlockCredential {
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

    /// Returns once the credential is unlocked. The result is whether this call changed it: repeating it changes nothing and
    /// pushes no second event.
    #[tracing::instrument(
        level = "debug",
        name = "unlock_credential",
        skip_all,
        fields(client = cause.call().map(|call| call.client.as_str()), user = user.as_str())
    )]
    pub async fn run(&self, cause: Cause<'_>, user: UserId, reason: Option<LockReason>) -> Result<bool, LockError> {
        let command = self.commands.build(cause, user, reason).await?;
        let is_changed = decide_and_save(&*self.credential_locks, &command, CredentialLock::unlock).await?;
        if is_changed {
            self.telemetry.record(MetricEvent::Unlock);
        }
        Ok(is_changed)
    }
}
