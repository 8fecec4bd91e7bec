use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ports::{AuditTrail, Clock, EventLog, EventPublisher, Stores};

use crate::keys::Keys;
use crate::wiring::Secrets;

/// The adapters under the contexts of a process: SQLite and files, or MongoDB and Kafka.
pub struct Platform {
    pub stores: Stores,
    pub event_publisher: Arc<dyn EventPublisher>,
    /// The event log of the process, if it has one.
    pub event_log: Option<Arc<dyn EventLog>>,
    pub keys: Keys,
    pub secrets: Secrets,
    /// The file for the codes of contact types that have no server.
    pub outgoing_codes: Option<PathBuf>,
    /// The name under which the relay claims outboxes, unique among all processes on the store.
    pub relay_owner: String,
    /// The time after which another process takes over the outbox of a relay that stopped.
    pub relay_lease: Duration,
    pub clock: Arc<dyn Clock>,
    pub audit: Arc<dyn AuditTrail>,
    /// Held until the process has stopped, so that no second one starts on the same data.
    pub lock: Option<File>,
}
