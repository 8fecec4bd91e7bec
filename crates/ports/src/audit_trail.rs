use std::net::IpAddr;
use std::sync::Arc;

use domain::actor::Actor;
use domain::caller::Call;
use domain::event::EventValue;
use domain::ids::BusinessId;
use domain::time::Timestamp;

/// How an action ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuditOutcome {
    /// It was carried out.
    Done,
    /// It was refused: nothing was changed.
    Refused,
}

/// A field of what an operator registered, before and after the command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditChange {
    pub field: String,
    /// `None` when it was not there.
    pub before: Option<EventValue>,
    pub after: Option<EventValue>,
}

/// One line of the audit trail: who did what to what, from where, and how it ended. It never holds a secret or a contact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditRecord {
    pub time: Timestamp,
    /// The `x-request-id`, by which events and log lines of the same request are found; `None` for a command.
    pub request_id: Option<Arc<str>>,
    /// Unknown when nobody was authenticated.
    pub by: Actor,
    /// The business that the user acts for.
    pub business: Option<BusinessId>,
    pub address: Option<IpAddr>,
    /// The operation's id in the API description, or the words of a command.
    pub action: String,
    /// What it was done to, as kind and id: `user`, `contact`, `client`, `session`, `group`, `key`.
    pub object: Vec<(&'static str, String)>,
    pub outcome: AuditOutcome,
    /// The HTTP status of the answer.
    pub status: Option<u16>,
    /// The code in the answer's error array.
    pub code: Option<&'static str>,
    /// What the status does not say.
    pub reason: Option<String>,
    pub changes: Vec<AuditChange>,
    /// Records of callers without a valid token that were left out since the last one, because there were too many.
    pub omitted: u64,
}

impl AuditRecord {
    /// A record of nobody, about nothing.
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

    /// The same, by the caller of `call` in its request.
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
}

/// Keeps who did what, for those who have to find out later. Synchronous and without an outcome: a record that cannot be
/// kept is an error in the log, never a failure of the action. A repeated call is a second record.
pub trait AuditTrail: Send + Sync {
    fn record(&self, record: &AuditRecord);
}
