//! The ports of AuthMe: the traits through which use cases reach stores, keys, brokers and clocks, and their errors.
//!
//! Adapters implement them; [`Groups`] and [`Clock`] show how. The promises of a store are checked by the crate
//! `port-contracts`.
//!
//! # How to add a port
//!
//! 1. Name it by noun and role (`RefreshFamilies`, `EventPublisher`). Put it under the context that uses it, or at the
//!    root when all contexts use it alike.
//! 2. A store has one of two shapes. *Conditional verbs* take their whole condition as arguments and return an outcome
//!    ([`sessions::RefreshFamilies::rotate`]). *Aggregates with rules* are found and saved under their version
//!    ([`VersionedStore`]). They are saved even when nothing changes, so that an abandoned write
//!    that arrives late cannot undo a command that was answered (`docs/protocols.md` "Lock commands").
//! 3. Document, in this order: the purpose, what "not found" does, what is atomic, what a repeated call does.
//! 4. Absence is a value, an outage is a [`StoreError`]. An adapter never reports an outage as absence.
//! 5. Add its contract to `port-contracts`; every store adapter runs it.

#![deny(missing_docs)]

mod audit_trail;
mod clients;
mod clock;
mod event_log;
mod event_publisher;
mod expired_records;
pub mod factors;
mod groups;
mod identities;
mod known_names;
mod lock_statuses;
mod outboxes;
mod randomness;
mod readiness;
mod runtime;
mod save_outcome;
pub mod sessions;
mod store_error;
mod stores;
mod telemetry;
mod token_verifier;
pub mod tokens;
mod versioned_store;

pub use audit_trail::{AuditChange, AuditOutcome, AuditRecord, AuditTrail};
pub use clients::{CLIENTS, ClientSaveOutcome, Clients};
pub use clock::{Clock, Timer};
pub use event_log::{Cursor, EventLog, EventLogError, LoggedEvent};
pub use event_publisher::{EventPublisher, PublishError};
pub use expired_records::ExpiredRecords;
pub use groups::{GROUPS, Groups};
pub use identities::{IDENTITIES, Identities, IdentitySaveOutcome, LOGINS, RemovalOutcome};
pub use known_names::{KNOWN_NAMES, KnownNames};
pub use lock_statuses::LockStatuses;
pub use outboxes::{Lease, MAX_PENDING_EVENTS, OutboxBacklog, Outboxes, PendingOutbox, Settlement};
pub use randomness::Randomness;
pub use readiness::Readiness;
pub use runtime::Runtime;
pub use save_outcome::SaveOutcome;
pub use store_error::StoreError;
pub use stores::{StoreUpkeep, Stores};
pub use telemetry::{
    CodeSendOutcome, ConnectionError, ConnectionLimit, MetricEvent, RenewalOutcome, RequestLimit, RequestMethod,
    RouteTemplate, Telemetry,
};
pub use token_verifier::{KeySetSource, TokenVerificationError, TokenVerifier};
pub use versioned_store::{Aggregate, Versioned, VersionedStore};
