use service_assembly::{Context, Shared};
use service_runtime::CommandError;
use use_cases::credential_lock::{CredentialLockPorts, CredentialLockUseCases};

/// Connects the ports of the credential lock context to their adapters.
#[expect(clippy::unnecessary_wraps, reason = "the wiring of the other services can fail")]
pub(crate) fn wire(shared: &Shared) -> Result<Context, CommandError> {
    let ports = CredentialLockPorts::new(&shared.stores, &shared.runtime);
    Ok(Context::CredentialLock(CredentialLockUseCases::new(&ports)))
}
