//! The events of an identity.

use crate::event::{EventContext, EventType, NewEvent};
use crate::ids::UserId;

/// The Kafka topic of these events.
pub const TOPIC: &str = "authme.directory.v1";

const fn event_type(name: &'static str) -> EventType {
    EventType {
        name,
        source: "/authme/identities",
        topic: TOPIC,
        aggregate: "identities",
    }
}

/// A user was removed: no token of the user is active, and what is stored of the user is erased. Another user may get
/// the id later, with a higher epoch.
pub const IDENTITY_REMOVED: &EventType = &event_type("identity.removed");

/// All types of events of this module.
pub const TYPES: &[&EventType] = &[IDENTITY_REMOVED];

/// Returns the event of a removal. It holds nothing of the user but the id.
pub fn removal_event(context: EventContext, user: &UserId) -> NewEvent {
    NewEvent {
        context,
        kind: IDENTITY_REMOVED,
        data: vec![("userId".to_owned(), user.as_str().into())],
    }
}
