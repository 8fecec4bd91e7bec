use std::sync::Arc;

use adapter_http::Module;
use adapter_http::credential_lock::{module, routes};
use ports::Stores;
use service_runtime::CommandError;
use use_cases::PartEraser;
use use_cases::credential_lock::{CredentialLockUseCases, EpochRaiser};

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
    eraser: Some(eraser),
};

#[expect(clippy::unnecessary_wraps, reason = "the wiring of other contexts can fail")]
fn wire(wiring: &Wiring) -> Result<Module, CommandError> {
    Ok(module(CredentialLockUseCases::new(&wiring.stores, &wiring.runtime)))
}

fn eraser(stores: &Stores) -> Arc<dyn PartEraser> {
    Arc::new(EpochRaiser(stores.credential_locks.clone()))
}
