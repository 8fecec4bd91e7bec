//! The events of a factor set.

use super::AlternativeContact;
use crate::event::{Datum, EventData, EventKind, NewEvent};
use crate::ids::{EventId, UserId};
use crate::time::Timestamp;

/// A contact was added, or an alternative contact changed (a tag that moved away).
pub fn contact_event(
    id: EventId,
    kind: EventKind,
    user: &UserId,
    contact: &AlternativeContact,
    time: Timestamp,
) -> NewEvent {
    let tags = if contact.marked {
        vec![super::MARKED_RESOURCES.to_owned()]
    } else {
        Vec::new()
    };
    let data: EventData = vec![
        ("userId".to_owned(), user.as_str().into()),
        ("factorId".to_owned(), contact.id.as_str().into()),
        ("contactType".to_owned(), contact.value.contact_type().as_str().into()),
        ("maskedValue".to_owned(), Datum::Text(contact.value.masked())),
        ("tags".to_owned(), Datum::List(tags)),
    ];
    NewEvent { id, kind, time, data }
}
