use std::sync::Arc;

use domain::caller::Call;
use domain::credential_lock::{Credential, LockReason};
use domain::ids::UserId;
use ports::credential_lock::Credentials;
use ports::{Measure, Telemetry};

use super::{Orders, TurnError, turn};

/// Unlocks a credential; sessions from before the lock stay dead.
pub struct UnlockCredential {
    orders: Orders,
    credentials: Arc<dyn Credentials>,
    telemetry: Arc<dyn Telemetry>,
}

impl UnlockCredential {
    pub(super) fn new(orders: Orders, credentials: Arc<dyn Credentials>, telemetry: Arc<dyn Telemetry>) -> Self {
        Self {
            orders,
            credentials,
            telemetry,
        }
    }

    /// Success when the credential is unlocked, by this call or before it.
    pub async fn run(&self, call: &Call, user: UserId, reason: Option<LockReason>) -> Result<(), TurnError> {
        let command = self.orders.order(call, user, reason).await?;
        if turn(&*self.credentials, &command, Credential::unlock).await? {
            self.telemetry.record(Measure::Unlock);
        }
        Ok(())
    }
}
