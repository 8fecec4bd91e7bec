use std::net::IpAddr;
use std::sync::Arc;

use domain::actor::Actor;
use domain::caller::{Call, Cause};
use domain::event::EventValue;
use domain::ids::BusinessId;
use domain::time::Timestamp;

/// The outcome of an audited action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuditOutcome {
    /// The action was carried out.
    Done,
    /// The action was rejected and changed nothing.
    Refused,
}

/// A field of a registration before and after an operator's command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditChange {
    /// The name under which the command line shows the field.
    pub field: String,
    /// `None` when the field was absent before.
    pub before: Option<EventValue>,
    /// `None` when the field is absent afterwards.
    pub after: Option<EventValue>,
}

/// One line of the audit trail: actor, action, object, origin and outcome. It never holds a secret or a contact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditRecord {
    /// The time of the outcome.
    pub time: Timestamp,
    /// The `x-request-id`, which events and log lines of the same request have too; `None` for a command.
    pub request_id: Option<Arc<str>>,
    /// Unknown when the caller could not be authenticated.
    pub by: Actor,
    /// The business that the user acts for.
    pub business: Option<BusinessId>,
    /// The address that the request came from, as far as trusted proxies report it.
    pub address: Option<IpAddr>,
    /// The operation id of the API description, or the words of a command.
    pub action: String,
    /// The objects of the action, as kind and id: `user`, `contact`, `client`, `session`, `group`, `key`.
    pub object: Vec<(&'static str, String)>,
    /// Carried out or rejected.
    pub outcome: AuditOutcome,
    /// The HTTP status of the response; `None` for a command.
    pub status: Option<u16>,
    /// The code in the response's error array.
    pub code: Option<&'static str>,
    /// Details that status and code do not carry.
    pub reason: Option<String>,
    /// The fields that a command changed; empty for a request.
    pub changes: Vec<AuditChange>,
    /// The number of records of unauthenticated callers that were dropped since the last record, because there were too
    /// many.
    pub omitted: u64,
}

impl AuditRecord {
    /// Returns a record without actor, object and details.
    pub fn new(time: Timestamp, action: impl Into<String>, outcome: AuditOutcome) -> Self {
        Self {
            time,
            request_id: None,
            by: Actor::default(),
            business: None,
            address: None,
            action: action.into(),
            object: Vec::new(),
            outcome,
            status: None,
            code: None,
            reason: None,
            changes: Vec::new(),
            omitted: 0,
        }
    }

    /// Returns the record with actor, business, request id and address of `call`.
    #[must_use]
    pub fn in_call(self, call: &Call) -> Self {
        Self {
            request_id: Some(call.request.id.clone()),
            by: call.actor(),
            business: call.user.as_ref().and_then(|user| user.business.clone()),
            address: call.request.address,
            ..self
        }
    }

    /// Returns the record with the actor of `cause`, and what else a request has.
    #[must_use]
    pub fn caused_by(self, cause: Cause<'_>) -> Self {
        match cause {
            Cause::Call(call) => self.in_call(call),
            Cause::Operator(_) => Self {
                by: cause.actor(),
                ..self
            },
        }
    }
}

/// Stores audit records. Synchronous and without a result: a record that cannot be written is logged as an error and
/// never fails the action. A repeated call writes a second record.
pub trait AuditTrail: Send + Sync {
    /// Writes one record.
    fn record(&self, record: &AuditRecord);
}
