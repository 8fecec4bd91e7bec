//! The events of a credential lock.

use super::{CredentialLock, LockCommand};
use crate::event::{EventData, EventKind, EventValue, NewEvent};

/// Returns the event of a credential that `command` has locked or unlocked. It carries the epoch, which consumers
/// compare with that of a token. It leaves out the reason: that is free text and may name a contact, which no event
/// shows unmasked.
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
