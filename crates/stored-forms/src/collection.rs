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
    /// The member that is true while work on a record is left, for the loop that finds such records; `None` if there is
    /// no such work.
    pub pending: Option<&'static str>,
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
    pub(crate) const fn kept(aggregate: &'static Aggregate) -> Self {
        Self {
            aggregate,
            is_versioned: false,
            user: None,
            purge_at: None,
            pending: None,
            indexes: &[],
        }
    }

    /// A collection of an aggregate with rules.
    pub(crate) const fn versioned<A: Versioned>() -> Self {
        Self {
            is_versioned: true,
            ..Self::kept(A::AGGREGATE)
        }
    }
}
