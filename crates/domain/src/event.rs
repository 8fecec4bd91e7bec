//! Events: what the services tell the world, as CloudEvents 1.0 names it.

use crate::actor::Actor;
use crate::ids::{EventId, UserId};
use crate::time::Timestamp;

/// What happened. The names are those of the contract's topics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EventKind {
    CredentialLocked,
    CredentialUnlocked,
    FactorAdded,
    FactorChanged,
    FactorRemoved,
    FactorVerified,
    FactorAttemptsExhausted,
    SessionStarted,
    SessionRevoked,
}

impl EventKind {
    pub const ALL: [Self; 9] = [
        Self::CredentialLocked,
        Self::CredentialUnlocked,
        Self::FactorAdded,
        Self::FactorChanged,
        Self::FactorRemoved,
        Self::FactorVerified,
        Self::FactorAttemptsExhausted,
        Self::SessionStarted,
        Self::SessionRevoked,
    ];

    /// The CloudEvents `type`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::CredentialLocked => "credential.locked",
            Self::CredentialUnlocked => "credential.unlocked",
            Self::FactorAdded => "factor.added",
            Self::FactorChanged => "factor.changed",
            Self::FactorRemoved => "factor.removed",
            Self::FactorVerified => "factor.verified",
            Self::FactorAttemptsExhausted => "factor.attempts-exhausted",
            Self::SessionStarted => "session.started",
            Self::SessionRevoked => "session.revoked",
        }
    }

    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// The CloudEvents `source`.
    pub const fn source(self) -> &'static str {
        match self {
            Self::CredentialLocked | Self::CredentialUnlocked => "/authme/credential-lock",
            Self::FactorAdded
            | Self::FactorChanged
            | Self::FactorRemoved
            | Self::FactorVerified
            | Self::FactorAttemptsExhausted => "/authme/factors",
            Self::SessionStarted | Self::SessionRevoked => "/authme/tokens",
        }
    }
}

/// A value in an event's data. No secret and no unmasked contact is ever one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EventValue {
    Text(String),
    Number(u64),
    Flag(bool),
    List(Vec<String>),
}

impl From<&str> for EventValue {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

/// Names and values, in the order they are written.
pub type EventData = Vec<(String, EventValue)>;

/// What every event says beside its kind and its data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventContext {
    /// Made before the write, so that a write that is repeated is the same event.
    pub id: EventId,
    pub time: Timestamp,
    /// Who caused it. It is told as the member `by` of the data.
    pub by: Actor,
    /// The id of the request that caused it, as the CloudEvents extension attribute `correlationid`.
    pub correlation_id: Option<String>,
}

/// An event before its aggregate has given it a place in its history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEvent {
    pub context: EventContext,
    pub kind: EventKind,
    pub data: EventData,
}

impl NewEvent {
    /// The event at its place in the history of `subject`.
    pub fn recorded(self, subject: impl Into<String>, user: UserId, sequence: u64) -> Event {
        let Self { context, kind, data } = self;
        Event {
            id: context.id,
            kind,
            subject: subject.into(),
            user,
            sequence,
            time: context.time,
            by: context.by,
            correlation_id: context.correlation_id,
            data,
        }
    }
}

/// A recorded event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    pub id: EventId,
    pub kind: EventKind,
    /// The aggregate: the user, or the family for sessions.
    pub subject: String,
    /// Partition key and Kafka key.
    pub user: UserId,
    /// Position in the aggregate's history, from 1 without gaps.
    pub sequence: u64,
    pub time: Timestamp,
    /// Who caused it; unknown for an event from before actors were recorded.
    pub by: Actor,
    /// The id of the request that caused it.
    pub correlation_id: Option<String>,
    /// Without `by`, which is told with it.
    pub data: EventData,
}
