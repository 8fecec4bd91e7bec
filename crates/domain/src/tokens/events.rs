//! The events of a session.

use super::{RefreshFamily, RevocationReason};
use crate::event::{Datum, EventData, EventKind, NewEvent};
use crate::ids::EventId;
use crate::time::Timestamp;

fn of_family(family: &RefreshFamily) -> EventData {
    let mut data: EventData = vec![
        ("userId".to_owned(), family.origin.user.as_str().into()),
        ("clientId".to_owned(), family.origin.client.as_str().into()),
        ("sid".to_owned(), family.id.as_str().into()),
    ];
    let ancestors = &family.origin.ancestors;
    if !ancestors.is_empty() {
        let sids = ancestors.iter().map(ToString::to_string).collect();
        data.push(("ancestorSids".to_owned(), Datum::List(sids)));
    }
    data
}

/// A session began.
pub fn started(id: EventId, family: &RefreshFamily, time: Timestamp) -> NewEvent {
    NewEvent {
        id,
        kind: EventKind::SessionStarted,
        time,
        data: of_family(family),
    }
}

/// A session was ended for a reason others should know.
pub fn revoked(id: EventId, family: &RefreshFamily, reason: RevocationReason, time: Timestamp) -> NewEvent {
    let mut data = of_family(family);
    data.push(("reason".to_owned(), reason.as_str().into()));
    NewEvent {
        id,
        kind: EventKind::SessionRevoked,
        time,
        data,
    }
}
