use adapter_http::Module;
use adapter_http::credential_lock::{module, routes};
use service_runtime::CommandError;
use use_cases::credential_lock::CredentialLockUseCases;

use crate::context::Context;
use crate::wiring::Wiring;

/// Locks of users' credentials.
pub const CREDENTIAL_LOCK: Context = Context {
    name: "credential-lock",
    collections: &[stored_forms::credential_lock::COLLECTIONS],
    routes,
    signs: false,
    settings: &[],
    secrets: &[],
    wire,
};

#[expect(clippy::unnecessary_wraps, reason = "the wiring of other contexts can fail")]
fn wire(wiring: &Wiring) -> Result<Module, CommandError> {
    Ok(module(CredentialLockUseCases::new(&wiring.stores, &wiring.runtime)))
}
