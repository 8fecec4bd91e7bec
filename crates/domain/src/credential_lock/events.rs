//! The events of a credential lock.

use super::{CredentialLock, LockCommand};
use crate::event::{EventData, EventType, EventValue, NewEvent};

/// The Kafka topic of these events.
pub const TOPIC: &str = "authme.credential.v1";

const fn event_type(name: &'static str) -> EventType {
    EventType {
        name,
        source: "/authme/credential-lock",
        topic: TOPIC,
        aggregate: "credentials",
    }
}

/// A lock raised the credential's epoch: tokens and sessions issued under a lower epoch are no longer active.
pub const CREDENTIAL_LOCKED: &EventType = &event_type("credential.locked");

/// An unlock, which keeps the epoch of the lock before it.
pub const CREDENTIAL_UNLOCKED: &EventType = &event_type("credential.unlocked");

/// All types of events of this module.
pub const TYPES: &[&EventType] = &[CREDENTIAL_LOCKED, CREDENTIAL_UNLOCKED];

/// Returns the event of a lock or unlock by `command`. Consumers compare its epoch with the epoch of a token. The event
/// leaves out the reason, which is free text and may contain a contact: no event shows a contact unmasked.
pub fn lock_event(credential: &CredentialLock, command: &LockCommand) -> NewEvent {
    let data: EventData = vec![
        ("userId".to_owned(), credential.user.as_str().into()),
        ("epoch".to_owned(), EventValue::Number(credential.epoch)),
    ];
    let kind = if credential.is_locked {
        CREDENTIAL_LOCKED
    } else {
        CREDENTIAL_UNLOCKED
    };
    NewEvent {
        context: command.context.clone(),
        kind,
        data,
    }
}
