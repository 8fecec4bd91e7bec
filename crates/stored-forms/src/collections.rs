use domain::credential_lock::CredentialLock;
use domain::factors::FactorSet;
use ports::{Aggregate, Versioned};

/// A collection (MongoDB) or table (SQLite): the stored form of one aggregate.
#[derive(Debug)]
pub struct Collection {
    /// The aggregate. The collection has its name.
    pub aggregate: &'static Aggregate,
    /// Whether the stores keep it as they keep every aggregate with rules; `false` if its store is written by hand.
    pub is_versioned: bool,
    /// The member that holds the user whose events these are; `None` if the key is the user.
    pub user: Option<&'static str>,
    /// The member that holds the time at which a record may be purged; `None` if records are kept.
    pub purge_at: Option<&'static str>,
    /// Indexes besides those that the relay and the purge need.
    pub indexes: &'static [Index],
}

/// A secondary index for a search.
#[derive(Debug)]
pub struct Index {
    /// The name, which never changes: deployed databases have indexes with it.
    pub name: &'static str,
    /// The indexed members, ascending.
    pub members: &'static [&'static str],
    /// The search that needs it, for `docs/operations.md`.
    pub purpose: &'static str,
}

impl Collection {
    /// A collection of records that are kept, found by their key, and have no outbox.
    const fn kept(aggregate: &'static Aggregate) -> Self {
        Self {
            aggregate,
            is_versioned: false,
            user: None,
            purge_at: None,
            indexes: &[],
        }
    }

    /// A collection of an aggregate with rules.
    const fn versioned<A: Versioned>() -> Self {
        Self {
            is_versioned: true,
            ..Self::kept(A::AGGREGATE)
        }
    }
}

/// All collections. The relay, the purge, the indexes and the tables of versioned aggregates are derived from this list.
pub const COLLECTIONS: &[Collection] = &[
    Collection::versioned::<CredentialLock>(),
    Collection::versioned::<FactorSet>(),
    Collection {
        purge_at: Some("windowEndsAt"),
        ..Collection::kept(&ports::factors::SEND_LIMITS)
    },
    Collection {
        user: Some("user"),
        purge_at: Some("absoluteExpiresAt"),
        ..Collection::kept(&ports::sessions::REFRESH_FAMILIES)
    },
    Collection {
        purge_at: Some("expiresAt"),
        ..Collection::kept(&ports::tokens::VALIDATION_TOKENS)
    },
    Collection::kept(&ports::IDENTITIES),
    Collection::kept(&ports::CLIENTS),
    Collection::kept(&ports::GROUPS),
    Collection::kept(&ports::KNOWN_NAMES),
];

/// Returns the collection of an aggregate; `None` for an aggregate that is not listed.
pub fn collection(name: &str) -> Option<&'static Collection> {
    COLLECTIONS.iter().find(|collection| collection.aggregate.name == name)
}

/// Returns the aggregates of all collections.
pub fn all_aggregates() -> Vec<&'static Aggregate> {
    COLLECTIONS.iter().map(|collection| collection.aggregate).collect()
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
