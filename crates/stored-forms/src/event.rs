use domain::event::{Event, EventContext, EventData, EventValue, NewEvent};
use domain::ids::{EventId, UserId};
use serde::{Deserialize, Serialize};

use crate::{ActorForm, Corrupt, Encoding};

/// The stored form of a pending event.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(bound = "")]
pub struct EventForm<E: Encoding> {
    id: String,
    kind: String,
    /// The number of the event within its aggregate, counted from 1.
    pub sequence: u64,
    time: E::Time,
    /// Absent in events of older versions, which recorded no actor.
    #[serde(default)]
    by: ActorForm,
    #[serde(default, rename = "correlationId", skip_serializing_if = "Option::is_none")]
    correlation_id: Option<String>,
    data: EventDataForm,
}

impl<E: Encoding> EventForm<E> {
    /// Returns the stored form of an event with its number.
    pub fn new(event: NewEvent, sequence: u64) -> Self {
        Self {
            id: event.context.id.0,
            kind: event.kind.name.to_owned(),
            sequence,
            time: E::time(event.context.time),
            by: (&event.context.by).into(),
            correlation_id: event.context.correlation_id,
            data: event.data.into(),
        }
    }

    /// Returns the id, for errors.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Returns the event of the aggregate `subject`, which belongs to `user`.
    ///
    /// # Errors
    ///
    /// Returns [`Corrupt`] for a type that this version does not know, and for a malformed time or actor.
    pub fn into_event(self, subject: &str, user: &UserId) -> Result<Event, Corrupt> {
        let new = NewEvent {
            context: EventContext {
                id: EventId(self.id),
                time: E::read_time(&self.time)?,
                by: self.by.read()?,
                correlation_id: self.correlation_id,
            },
            kind: domain::event_type(&self.kind).ok_or_else(|| Corrupt::member("kind"))?,
            data: self.data.into(),
        };
        Ok(new.into_event(subject, user.clone(), self.sequence))
    }
}

/// The stored form of an event's data: an array, because the order of the members is part of the event.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EventDataForm(Vec<MemberForm>);

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(from = "AnyMemberForm")]
struct MemberForm {
    name: String,
    value: ValueForm,
}

/// Every form in which a member was ever stored.
#[derive(Deserialize)]
#[serde(untagged)]
enum AnyMemberForm {
    Named {
        name: String,
        value: ValueForm,
    },
    /// SQLite, up to schema version 3.
    Pair(String, ValueForm),
}

impl From<AnyMemberForm> for MemberForm {
    fn from(stored: AnyMemberForm) -> Self {
        match stored {
            AnyMemberForm::Named { name, value } | AnyMemberForm::Pair(name, value) => Self { name, value },
        }
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(untagged)]
enum ValueForm {
    Text(String),
    Number(u64),
    Flag(bool),
    List(Vec<String>),
}

impl From<EventData> for EventDataForm {
    fn from(data: EventData) -> Self {
        let member = |(name, value)| {
            let value = match value {
                EventValue::Text(text) => ValueForm::Text(text),
                EventValue::Number(number) => ValueForm::Number(number),
                EventValue::Flag(flag) => ValueForm::Flag(flag),
                EventValue::List(list) => ValueForm::List(list),
            };
            MemberForm { name, value }
        };
        Self(data.into_iter().map(member).collect())
    }
}

impl From<EventDataForm> for EventData {
    fn from(stored: EventDataForm) -> Self {
        let member = |MemberForm { name, value }| {
            let value = match value {
                ValueForm::Text(text) => EventValue::Text(text),
                ValueForm::Number(number) => EventValue::Number(number),
                ValueForm::Flag(flag) => EventValue::Flag(flag),
                ValueForm::List(list) => EventValue::List(list),
            };
            (name, value)
        };
        stored.0.into_iter().map(member).collect()
    }
}
