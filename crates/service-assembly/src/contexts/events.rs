use std::time::Duration;

use adapter_http::Module;
use adapter_http::events::{module, routes};
use jiff::SignedDuration;
use jiff::fmt::serde::unsigned_duration::friendly::compact::required as duration;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use service_runtime::{CommandError, Section};
use use_cases::FollowEvents;

use crate::context::Context;
use crate::wiring::Wiring;

/// The embedded event log, in a process that has one.
pub const EVENTS: Context = Context {
    name: "events",
    collections: &[],
    routes,
    signs: false,
    settings: &[Section::of::<EventLogSettings>()],
    secrets: &[],
    wire,
    eraser: None,
};

/// The embedded event log.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "events")]
pub struct EventLogSettings {
    /// Time for which `authme serve` keeps events in its log. At least `1h`. A consumer that was away for longer gets 410.
    #[serde(with = "duration")]
    #[schemars(with = "SignedDuration", extend("formatMinimum" = "1h"))]
    pub retention: Duration,
}

impl Default for EventLogSettings {
    /// 30 days: as long as a session lives by default, and longer than any planned outage of a consumer.
    fn default() -> Self {
        Self {
            retention: Duration::from_hours(30 * 24),
        }
    }
}

fn wire(wiring: &Wiring) -> Result<Module, CommandError> {
    let log = wiring.event_log.clone();
    let log = log.ok_or_else(|| CommandError::msg("this process has no event log of its own"))?;
    Ok(module(FollowEvents::new(log)))
}
