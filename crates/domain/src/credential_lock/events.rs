//! The events of a credential lock.

use super::{CredentialLock, LockCommand};
use crate::event::{EventData, EventKind, EventValue, NewEvent};

/// Returns the event of a lock or unlock by `command`. Consumers compare its epoch with the epoch of a token. The event
/// leaves out the reason, which is free text and may contain a contact: no event shows a contact unmasked.
pub fn lock_event(credential: &CredentialLock, command: &LockCommand) -> NewEvent {
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
