use std::sync::Arc;

use domain::caller::Call;
use domain::credential_lock::{Credential, LockReason};
use domain::ids::UserId;
use ports::credential_lock::Credentials;
use ports::{Measure, Telemetry};

use super::{Orders, TurnError, turn};

/// Locks a credential. After its write no renewal of the user succeeds anywhere, because each mint looks at the lock after
/// its own write.
pub struct LockCredential {
    orders: Orders,
    credentials: Arc<dyn Credentials>,
    telemetry: Arc<dyn Telemetry>,
}

impl LockCredential {
    pub(super) fn new(orders: Orders, credentials: Arc<dyn Credentials>, telemetry: Arc<dyn Telemetry>) -> Self {
        Self {
            orders,
            credentials,
            telemetry,
        }
    }

    /// Success when the credential is locked, by this call or before it.
    pub async fn run(&self, call: &Call, user: UserId, reason: Option<LockReason>) -> Result<(), TurnError> {
        let command = self.orders.order(call, user, reason).await?;
        if turn(&*self.credentials, &command, Credential::lock).await? {
            self.telemetry.record(Measure::Lock);
        }
        Ok(())
    }
}
