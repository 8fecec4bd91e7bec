use ports::Aggregate;

use crate::collection::Collection;
use crate::{credential_lock, directory, factors, sessions, tokens};

/// The collections that no context owns: the operator writes them by commands.
const REGISTRATIONS: &[Collection] = &[
    Collection::kept(&ports::CLIENTS),
    Collection::kept(&ports::GROUPS),
    Collection::kept(&ports::KNOWN_NAMES),
];

const COLLECTIONS: &[&[Collection]] = &[
    credential_lock::COLLECTIONS,
    directory::COLLECTIONS,
    factors::COLLECTIONS,
    sessions::COLLECTIONS,
    tokens::COLLECTIONS,
    REGISTRATIONS,
];

/// Returns all collections. The relay, the purge, the indexes and the tables of versioned aggregates follow from them.
pub fn collections() -> impl Iterator<Item = &'static Collection> {
    COLLECTIONS.iter().copied().flatten()
}

/// Fails unless the aggregate with rules has a collection. A store calls it in a `const` block, so that it does not
/// compile without one: its first request would fail.
///
/// # Panics
///
/// Panics if no list of collections has the aggregate.
pub const fn assert_listed(aggregate: &Aggregate) {
    assert!(
        is_listed(aggregate),
        "the aggregate is in no `COLLECTIONS` of stored-forms"
    );
}

const fn is_listed(aggregate: &Aggregate) -> bool {
    let mut contexts = COLLECTIONS;
    while let [context, others @ ..] = contexts {
        let mut context = *context;
        while let [collection, rest @ ..] = context {
            if collection.is_versioned && is_same(collection.aggregate.name.as_bytes(), aggregate.name.as_bytes()) {
                return true;
            }
            context = rest;
        }
        contexts = others;
    }
    false
}

const fn is_same(mut text: &[u8], mut other: &[u8]) -> bool {
    while let ([first, rest @ ..], [other_first, other_rest @ ..]) = (text, other) {
        if *first != *other_first {
            return false;
        }
        (text, other) = (rest, other_rest);
    }
    text.is_empty() && other.is_empty()
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
