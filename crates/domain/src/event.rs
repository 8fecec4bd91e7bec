//! Events that the services publish, in the terms of CloudEvents 1.0. Consumers find their data in `docs/events.md`.

use crate::actor::Actor;
use crate::ids::{EventId, UserId};
use crate::time::Timestamp;

/// The type of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EventKind {
    /// A lock raised the credential's epoch: tokens and sessions issued under a lower epoch are no longer active.
    CredentialLocked,
    /// An unlock, which keeps the epoch of the lock before it.
    CredentialUnlocked,
    /// An alternative contact was added.
    FactorAdded,
    /// A value, a tag or the default changed. A contact that lost the tag or the default to another has an event too.
    FactorChanged,
    /// An alternative contact was removed.
    FactorRemoved,
    /// A one-time code was answered correctly.
    FactorVerified,
    /// The attempts of a challenge, a contact or a user are used up.
    FactorAttemptsExhausted,
    /// A refresh token family was started.
    SessionStarted,
    /// A refresh token family was revoked; the data has the reason. Closing and expiry have no event.
    SessionRevoked,
}

impl EventKind {
    /// All kinds, grouped by the context that publishes them.
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

    /// Returns the CloudEvents attribute `type`.
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

    /// Parses the attribute `type`; `None` for any other text.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// Returns the CloudEvents attribute `source`: the context that publishes the event.
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

/// A value in an event's data. It is never a secret or an unmasked contact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EventValue {
    /// A JSON string.
    Text(String),
    /// A JSON number.
    Number(u64),
    /// `true` or `false`.
    Flag(bool),
    /// An array of JSON strings.
    List(Vec<String>),
}

impl From<&str> for EventValue {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

/// Members of an event's data, in the order in which they are written.
pub type EventData = Vec<(String, EventValue)>;

/// The attributes that events of every kind have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventContext {
    /// Generated before the write, so that a repeated write stores the same event.
    pub id: EventId,
    /// The time of the command, not of its publication.
    pub time: Timestamp,
    /// The actor that caused the event; published as the member `by` of the data.
    pub by: Actor,
    /// The id of the request that caused it, published as the CloudEvents extension attribute `correlationid`; `None`
    /// for an operator's command.
    pub correlation_id: Option<String>,
}

/// An event without a sequence. The write that stores its aggregate numbers it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEvent {
    /// Id, time and cause.
    pub context: EventContext,
    /// Decides `type` and `source`.
    pub kind: EventKind,
    /// Members that depend on the kind.
    pub data: EventData,
}

impl NewEvent {
    /// Returns the event as number `sequence` of the aggregate `subject`, which belongs to `user`.
    pub fn into_event(self, subject: impl Into<String>, user: UserId, sequence: u64) -> Event {
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

/// An event that its aggregate has numbered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The CloudEvents attribute `id`; a consumer that receives it twice drops the second event.
    pub id: EventId,
    /// Decides `type` and `source`.
    pub kind: EventKind,
    /// The id of the aggregate: the user's, or the family's for a session event.
    pub subject: String,
    /// The key of the Kafka record, so that the events of one user share a partition.
    pub user: UserId,
    /// The number of the event within its aggregate, counted from 1 without gaps.
    pub sequence: u64,
    /// The time of the command, not of its publication.
    pub time: Timestamp,
    /// The actor that caused the event; unknown for events that were stored before actors were recorded.
    pub by: Actor,
    /// The id of the request that caused it.
    pub correlation_id: Option<String>,
    /// Does not hold `by`, which the publisher adds.
    pub data: EventData,
}
