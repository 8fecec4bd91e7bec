//! Events in the form that the services publish.

use domain::actor::Actor;
use domain::credential_lock::events::{CREDENTIAL_LOCKED, CREDENTIAL_UNLOCKED};
use domain::event::{Event, EventContext, EventData, EventType, EventValue, NewEvent};
use domain::factors::events::{
    FACTOR_ADDED, FACTOR_ATTEMPTS_EXHAUSTED, FACTOR_CHANGED, FACTOR_REMOVED, FACTOR_VERIFIED,
};
use domain::ids::{ClientId, EventId, UserId};
use domain::sessions::events::{SESSION_REVOKED, SESSION_STARTED};
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

pub(crate) fn event(kind: &'static EventType, sequence: u64) -> Event {
    let mut data: EventData = vec![text("userId", USER)];
    let subject = match kind {
        CREDENTIAL_LOCKED | CREDENTIAL_UNLOCKED => {
            data.push(("epoch".to_owned(), EventValue::Number(3)));
            USER
        }
        FACTOR_ADDED | FACTOR_CHANGED | FACTOR_REMOVED | FACTOR_VERIFIED => {
            data.extend(contact());
            data.extend([
                ("tags".to_owned(), EventValue::List(vec!["MARKED_RESOURCES".to_owned()])),
                ("default".to_owned(), EventValue::Flag(true)),
                ("verified".to_owned(), EventValue::Flag(true)),
            ]);
            USER
        }
        FACTOR_ATTEMPTS_EXHAUSTED => {
            data.extend(contact());
            data.push(text("exhausted", "factor"));
            USER
        }
        SESSION_STARTED => {
            data.extend([text("clientId", "portal"), text("sid", SESSION)]);
            SESSION
        }
        SESSION_REVOKED => {
            data.extend([
                text("clientId", "portal"),
                text("sid", SESSION),
                text("reason", "replay"),
            ]);
            SESSION
        }
        _ => USER,
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
        message.topic.to_owned(),
        Timestamp::NotAvailable,
        2,
        41,
        Some(message.owned_headers()),
    )
}
