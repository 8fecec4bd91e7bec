//! The events of a session.

use super::{RefreshFamily, RevocationReason};
use crate::event::{EventContext, EventData, EventKind, EventValue, NewEvent};

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
        kind: EventKind::SessionStarted,
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
        kind: EventKind::SessionRevoked,
        data,
    }
}
