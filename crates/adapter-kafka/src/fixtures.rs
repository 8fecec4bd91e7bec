//! Events in the form that the services publish.

use domain::actor::Actor;
use domain::event::{Event, EventContext, EventData, EventType, EventValue, NewEvent};
use domain::ids::{ClientId, EventId, UserId};
use rdkafka::message::{OwnedMessage, Timestamp};

use crate::event_message::EventMessage;

pub(crate) const USER: &str = "5efd263cbe2d398bb00b97ea";

/// Returns an event of any type, with a value of every kind.
pub(crate) fn event(kind: &'static EventType, sequence: u64) -> Event {
    let data = vec![
        ("default".to_owned(), EventValue::Flag(true)),
        ("epoch".to_owned(), EventValue::Number(3)),
        ("tags".to_owned(), EventValue::List(vec!["MARKED_RESOURCES".to_owned()])),
        ("userId".to_owned(), USER.into()),
    ];
    event_with(kind, USER, data, sequence)
}

pub(crate) fn event_with(kind: &'static EventType, subject: &str, data: EventData, sequence: u64) -> Event {
    let new = NewEvent {
        context: EventContext {
            id: EventId("01a20667-a0e4-7a74-bc92-24353437c8fb".to_owned()),
            time: "2026-11-23T03:16:24.42Z".parse().unwrap(),
            by: Actor {
                user: Some(UserId::parse("60773aa94a50c11cfe00314f").unwrap()),
                client: Some(ClientId::parse("security-desk").unwrap()),
                operator: None,
            },
            correlation_id: Some("6d1f0a3c5b7e9d2f4a6c8e01".to_owned()),
        },
        kind,
        data,
    };
    new.into_event(subject, UserId::parse(USER).unwrap(), sequence)
}

/// Returns the record as a consumer reads it: partition 2, offset 41.
pub(crate) fn record(message: &EventMessage) -> OwnedMessage {
    OwnedMessage::new(
        Some(message.value.clone().into_bytes()),
        Some(message.key.clone().into_bytes()),
        message.topic.to_owned(),
        Timestamp::NotAvailable,
        2,
        41,
        Some(message.owned_headers()),
    )
}
