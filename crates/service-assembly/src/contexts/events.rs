use adapter_http::Module;
use adapter_http::events::{module, routes};
use service_runtime::CommandError;
use use_cases::FollowEvents;

use crate::context::Context;
use crate::wiring::Wiring;

/// The embedded event log, in a process that has one.
pub const EVENTS: Context = Context {
    name: "events",
    collections: &[],
    routes,
    signs: false,
    settings: &[],
    secrets: &[],
    wire,
    eraser: None,
};

fn wire(wiring: &Wiring) -> Result<Module, CommandError> {
    let log = wiring.event_log.clone();
    let log = log.ok_or_else(|| CommandError::msg("this process has no event log of its own"))?;
    Ok(module(FollowEvents::new(log)))
}
