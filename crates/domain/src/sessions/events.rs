//! The events of sessions: of each one, and of all sessions of a user together.

use super::{EndSessionsCommand, RefreshFamily, RevocationReason, SignIn};
use crate::event::{EventContext, EventData, EventType, EventValue, NewEvent};

/// The Kafka topic of the events of one session.
pub const TOPIC: &str = "authme.session.v1";

/// The Kafka topic of the events of a sign-in.
pub const SIGN_IN_TOPIC: &str = "authme.login.v1";

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

/// All sessions of a user were ended. No session has an event of its own then.
pub const SESSIONS_ENDED: &EventType = &EventType {
    name: "sessions.ended",
    source: "/authme/sign-ins",
    topic: SIGN_IN_TOPIC,
    aggregate: "sign_ins",
};

/// All types of events of this module.
pub const TYPES: &[&EventType] = &[SESSION_STARTED, SESSION_REVOKED, SESSIONS_ENDED];

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

/// Returns the event of an end of all sessions. A service that verifies tokens by itself compares its version with the
/// claim `sv` of a token, and lets the tokens of the kept session pass.
pub fn sessions_ended_event(sign_in: &SignIn, command: &EndSessionsCommand) -> NewEvent {
    let status = &sign_in.status;
    let mut data: EventData = vec![
        ("userId".to_owned(), sign_in.user.as_str().into()),
        (
            "sessionsVersion".to_owned(),
            EventValue::Number(status.sessions_version),
        ),
    ];
    if let Some(kept) = &status.kept_session {
        data.push(("keptSid".to_owned(), kept.as_str().into()));
    }
    NewEvent {
        context: command.context.clone(),
        kind: SESSIONS_ENDED,
        data,
    }
}
