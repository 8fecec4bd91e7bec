use std::sync::Arc;

use adapter_http::Module;
use adapter_http::directory::{module, routes};
use ports::Stores;
use service_runtime::CommandError;
use use_cases::PartEraser;
use use_cases::directory::{DirectoryUseCases, LoginEraser};

use crate::context::Context;
use crate::wiring::Wiring;

/// Users: their removal.
pub const DIRECTORY: Context = Context {
    name: "directory",
    collections: &[stored_forms::directory::COLLECTIONS],
    routes,
    signs: false,
    settings: &[],
    secrets: &[],
    wire,
    eraser: Some(eraser),
};

#[expect(clippy::unnecessary_wraps, reason = "the wiring of other contexts can fail")]
fn wire(wiring: &Wiring) -> Result<Module, CommandError> {
    Ok(module(DirectoryUseCases::new(&wiring.stores, &wiring.runtime)))
}

fn eraser(stores: &Stores) -> Arc<dyn PartEraser> {
    Arc::new(LoginEraser(stores.identities.clone()))
}
