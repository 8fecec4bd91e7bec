//! The events of a credential.

use super::{CredentialLock, LockCommand};
use crate::event::{EventData, EventKind, EventValue, NewEvent};

/// The event of a credential that `command` has just turned; it carries the epoch consumers must compare.
/// The reason stays in the store: it is free text, and an event never holds a contact.
pub fn lock_changed(credential: &CredentialLock, command: &LockCommand) -> NewEvent {
    let data: EventData = vec![
        ("userId".to_owned(), credential.user.as_str().into()),
        ("epoch".to_owned(), EventValue::Number(credential.epoch)),
    ];
    let kind = if credential.is_locked {
        EventKind::CredentialLocked
    } else {
        EventKind::CredentialUnlocked
    };
    NewEvent {
        context: command.context.clone(),
        kind,
        data,
    }
}
