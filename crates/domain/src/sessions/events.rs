//! The events of a session.

use super::{RefreshFamily, RevocationReason};
use crate::event::{EventContext, EventData, EventType, EventValue, NewEvent};

/// The Kafka topic of these events.
pub const TOPIC: &str = "authme.session.v1";

const fn event_type(name: &'static str) -> EventType {
    EventType {
        name,
        source: "/authme/tokens",
        topic: TOPIC,
        aggregate: "refresh_families",
    }
}

/// A refresh token family was started.
pub const SESSION_STARTED: &EventType = &event_type("session.started");

/// A refresh token family was revoked; the data has the reason. Closing and expiry have no event.
pub const SESSION_REVOKED: &EventType = &event_type("session.revoked");

/// All types of events of this module.
pub const TYPES: &[&EventType] = &[SESSION_STARTED, SESSION_REVOKED];

fn family_data(family: &RefreshFamily) -> EventData {
    let mut data: EventData = vec![
        ("userId".to_owned(), family.origin.user.as_str().into()),
        ("clientId".to_owned(), family.origin.client.as_str().into()),
        ("sid".to_owned(), family.id.as_str().into()),
    ];
    let ancestors = &family.origin.ancestors;
    if !ancestors.is_empty() {
        let sids = ancestors.iter().map(ToString::to_string).collect();
        data.push(("ancestorSids".to_owned(), EventValue::List(sids)));
    }
    data
}

/// Returns the event for the start of a family.
pub fn start_event(context: EventContext, family: &RefreshFamily) -> NewEvent {
    NewEvent {
        context,
        kind: SESSION_STARTED,
        data: family_data(family),
    }
}

/// Returns the event for the revocation of a family. A service that stores sessions also ends the sessions that name
/// the family among their ancestors.
pub fn revocation_event(context: EventContext, family: &RefreshFamily, reason: RevocationReason) -> NewEvent {
    let mut data = family_data(family);
    data.push(("reason".to_owned(), reason.as_str().into()));
    NewEvent {
        context,
        kind: SESSION_REVOKED,
        data,
    }
}
