//! Events in the form that the services publish.

use domain::actor::Actor;
use domain::event::{Event, EventContext, EventData, EventKind, EventValue, NewEvent};
use domain::ids::{ClientId, EventId, UserId};
use rdkafka::message::{OwnedMessage, Timestamp};

use crate::event_message::EventMessage;

const USER: &str = "5efd263cbe2d398bb00b97ea";
const SESSION: &str = "c03553990c261f25638e6d37";

fn text(name: &str, value: &str) -> (String, EventValue) {
    (name.to_owned(), EventValue::from(value))
}

fn contact() -> EventData {
    vec![
        text("factorId", "60773aa94a50c11cfe00314d"),
        text("contactType", "EMAIL"),
        text("maskedValue", "ex***le@br.e*******.com"),
    ]
}

pub(crate) fn event(kind: EventKind, sequence: u64) -> Event {
    let mut data: EventData = vec![text("userId", USER)];
    let subject = match kind {
        EventKind::CredentialLocked | EventKind::CredentialUnlocked => {
            data.push(("epoch".to_owned(), EventValue::Number(3)));
            USER
        }
        EventKind::FactorAdded | EventKind::FactorChanged | EventKind::FactorRemoved | EventKind::FactorVerified => {
            data.extend(contact());
            data.extend([
                ("tags".to_owned(), EventValue::List(vec!["MARKED_RESOURCES".to_owned()])),
                ("default".to_owned(), EventValue::Flag(true)),
                ("verified".to_owned(), EventValue::Flag(true)),
            ]);
            USER
        }
        EventKind::FactorAttemptsExhausted => {
            data.extend(contact());
            data.push(text("exhausted", "factor"));
            USER
        }
        EventKind::SessionStarted => {
            data.extend([text("clientId", "portal"), text("sid", SESSION)]);
            SESSION
        }
        EventKind::SessionRevoked => {
            data.extend([
                text("clientId", "portal"),
                text("sid", SESSION),
                text("reason", "replay"),
            ]);
            SESSION
        }
    };
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
        message.topic.name().to_owned(),
        Timestamp::NotAvailable,
        2,
        41,
        Some(message.owned_headers()),
    )
}
