use domain::actor::Actor;
use domain::event::EventValue;
use domain::ids::{ClientId, UserId};
use ports::LoggedEvent;
use serde::Serialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

/// An event in the JSON format of CloudEvents 1.0 (structured mode), with the extension attributes `partitionkey`,
/// `sequence`, `cursor` and `correlationid`.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = CloudEvent)]
pub struct CloudEventMessage {
    #[schema(example = "1.0")]
    specversion: &'static str,
    id: String,
    #[schema(example = "/authme/credential-lock")]
    source: &'static str,
    #[serde(rename = "type")]
    #[schema(example = "credential.locked")]
    kind: &'static str,
    /// The id of the aggregate: a user id, or a session id for events of sessions.
    subject: String,
    time: String,
    datacontenttype: &'static str,
    /// The id of the user. On Kafka, all events with the same key are in the same partition.
    partitionkey: String,
    /// The number of the event within its aggregate, counted from 1 and zero-padded to 20 digits.
    #[schema(example = "00000000000000000001")]
    sequence: String,
    /// The position in the embedded event log. Pass it as `after` to continue from there.
    cursor: String,
    /// The `x-request-id` of the request that caused the event.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "6d1f0a3c5b7e9d2f4a6c8e01")]
    correlationid: Option<String>,
    /// The data of this event type. Its member `by` is the actor: an object with the optional members `user`, `client`
    /// and `operator`.
    #[schema(value_type = Object)]
    data: Map<String, Value>,
}

/// The actor: a user through a client, a client on its own, or an operator at the command line.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Actor)]
pub(crate) struct ActorResponse {
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    operator: Option<String>,
}

impl From<&Actor> for ActorResponse {
    fn from(actor: &Actor) -> Self {
        Self {
            user: actor.user.as_ref().map(UserId::to_string),
            client: actor.client.as_ref().map(ClientId::to_string),
            operator: actor.operator.clone(),
        }
    }
}

impl From<LoggedEvent> for CloudEventMessage {
    fn from(logged: LoggedEvent) -> Self {
        let event = logged.event;
        let to_json = |value| match value {
            EventValue::Text(text) => Value::from(text),
            EventValue::Number(number) => Value::from(number),
            EventValue::Flag(flag) => Value::from(flag),
            EventValue::List(list) => Value::from(list),
        };
        let data = event.data.into_iter().map(|(name, value)| (name, to_json(value)));
        let by = ("by".to_owned(), json!(ActorResponse::from(&event.by)));
        Self {
            specversion: "1.0",
            id: event.id.0,
            source: event.kind.source,
            kind: event.kind.name,
            subject: event.subject,
            time: format!("{:.3}", event.time),
            datacontenttype: "application/json",
            partitionkey: event.user.to_string(),
            sequence: format!("{:020}", event.sequence),
            cursor: logged.cursor.0.to_string(),
            correlationid: event.correlation_id,
            data: data.chain([by]).collect(),
        }
    }
}

impl CloudEventMessage {
    /// Returns the event as JSON on one line. Serialization cannot fail, because every key is a string; if it did, the
    /// text would be empty.
    pub fn to_line(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    pub(crate) fn kind(&self) -> &'static str {
        self.kind
    }

    pub(crate) fn cursor(&self) -> &str {
        &self.cursor
    }
}
