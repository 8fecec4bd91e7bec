use ports::Aggregate;

use crate::collection::Collection;
use crate::{credential_lock, factors, sessions, tokens};

/// The collections that no context owns: the operator writes them by commands.
const REGISTRATIONS: &[Collection] = &[
    Collection::kept(&ports::IDENTITIES),
    Collection::kept(&ports::CLIENTS),
    Collection::kept(&ports::GROUPS),
    Collection::kept(&ports::KNOWN_NAMES),
];

/// Returns all collections. The relay, the purge, the indexes and the tables of versioned aggregates follow from them.
pub fn collections() -> impl Iterator<Item = &'static Collection> {
    [
        credential_lock::COLLECTIONS,
        factors::COLLECTIONS,
        sessions::COLLECTIONS,
        tokens::COLLECTIONS,
        REGISTRATIONS,
    ]
    .into_iter()
    .flatten()
}

/// Returns the collection of an aggregate; `None` for an aggregate that is not listed.
pub fn collection(name: &str) -> Option<&'static Collection> {
    collections().find(|collection| collection.aggregate.name == name)
}

/// Returns the aggregates of all collections.
pub fn all_aggregates() -> Vec<&'static Aggregate> {
    collections().map(|collection| collection.aggregate).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_outbox_of_every_event_is_listed() {
        for event in domain::event_types() {
            let found = collection(event.aggregate);
            assert!(
                found.is_some_and(|collection| collection.aggregate.has_outbox),
                "{}: `{}` has no collection with an outbox",
                event.name,
                event.aggregate
            );
        }
    }
}
