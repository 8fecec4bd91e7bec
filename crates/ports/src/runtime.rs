use std::sync::Arc;

use crate::{AuditTrail, Clock, Randomness, Telemetry};

/// The ports that every context uses and that are not stores.
#[derive(Clone)]
pub struct Runtime {
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Random ids and secrets.
    pub randomness: Arc<dyn Randomness>,
    /// Metrics.
    pub telemetry: Arc<dyn Telemetry>,
    /// The record of administrative actions.
    pub audit: Arc<dyn AuditTrail>,
}
