//! Events of users with random ids, so that runs on the same broker do not affect each other.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};

use domain::actor::Actor;
use domain::credential_lock::events::CREDENTIAL_LOCKED;
use domain::event::{Event, EventContext, EventType, EventValue, NewEvent};
use domain::ids::{EventId, UserId};

/// Returns a name with a random suffix.
pub(crate) fn random_name(prefix: &str) -> String {
    format!("{prefix}-{:016x}", RandomState::new().build_hasher().finish())
}

pub(crate) fn random_user() -> UserId {
    UserId::parse(random_name("user")).expect("an id")
}

pub(crate) fn event(kind: &'static EventType, user: &UserId, sequence: u64) -> Event {
    let new = NewEvent {
        context: EventContext {
            id: EventId(format!("{user}-{sequence}")),
            time: "2026-11-23T03:16:24.42Z".parse().expect("a time"),
            by: Actor::operator("tester"),
            correlation_id: Some(format!("request-{sequence}")),
        },
        kind,
        data: vec![
            ("default".to_owned(), EventValue::Flag(true)),
            ("epoch".to_owned(), EventValue::Number(sequence)),
            ("tags".to_owned(), EventValue::List(vec!["MARKED_RESOURCES".to_owned()])),
            ("userId".to_owned(), EventValue::from(user.as_str())),
        ],
    };
    new.into_event(format!("{user}-subject"), user.clone(), sequence)
}

pub(crate) fn lock_event(user: &UserId, sequence: u64) -> Event {
    event(CREDENTIAL_LOCKED, user, sequence)
}
