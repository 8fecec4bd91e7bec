use service_assembly::{Context, Shared};
use service_runtime::CommandError;
use use_cases::credential_lock::{CredentialLockPorts, CredentialLockUseCases};

/// Where the ports of the context meet their adapters.
#[expect(
    clippy::unnecessary_wraps,
    reason = "other services need more than is shared, and may lack it"
)]
pub(crate) fn wire(shared: &Shared) -> Result<Context, CommandError> {
    let stores = &shared.stores;
    Ok(Context::CredentialLock(CredentialLockUseCases::new(
        &CredentialLockPorts {
            credential_locks: stores.credential_locks.clone(),
            identities: stores.identities.clone(),
            clock: shared.clock.clone(),
            randomness: shared.randomness.clone(),
            telemetry: shared.telemetry.clone(),
        },
    )))
}
