use std::sync::Arc;

use async_trait::async_trait;

use domain::credential_lock::CredentialLock;
use domain::factors::FactorSet;
use domain::ids::UserId;
use domain::sessions::SignIn;

use crate::factors::{FactorSets, SendQuotas};
use crate::sessions::{RefreshFamilies, SignInStatuses, UsedOnce};
use crate::tokens::ValidationTokens;
use crate::{
    Aggregate, Clients, ExpiredRecords, Groups, Identities, KnownNames, LockStatuses, Outboxes, Readiness, StoreError,
    Versioned, VersionedStore,
};

/// The stores of one database.
#[derive(Clone)]
pub struct Stores {
    /// Registered clients.
    pub clients: Arc<dyn Clients>,
    /// Users.
    pub identities: Arc<dyn Identities>,
    /// Groups and the roles that they grant.
    pub groups: Arc<dyn Groups>,
    /// Roles and scopes that operators added.
    pub known_names: Arc<dyn KnownNames>,
    /// The part of a credential lock that every context reads.
    pub lock_statuses: Arc<dyn LockStatuses>,
    /// Credential locks.
    pub credential_locks: Arc<dyn VersionedStore<CredentialLock>>,
    /// Contacts and one-time codes.
    pub factor_sets: Arc<dyn FactorSets>,
    /// Limits of sent codes.
    pub send_quotas: Arc<dyn SendQuotas>,
    /// Validation tokens.
    pub validation_tokens: Arc<dyn ValidationTokens>,
    /// Sessions.
    pub refresh_families: Arc<dyn RefreshFamilies>,
    /// Sign-ins: their sessions version ends all sessions of a user at once.
    pub sign_ins: Arc<dyn VersionedStore<SignIn>>,
    /// The part of a sign-in that is compared with sessions and tokens.
    pub sign_in_statuses: Arc<dyn SignInStatuses>,
    /// Values that may be used once.
    pub used_once: Arc<dyn UsedOnce>,
    /// What a process does with the database besides its use cases.
    pub upkeep: Arc<dyn StoreUpkeep>,
}

/// Credential locks. A user without one was never locked. Read linearizably, because absence means unlocked.
impl Versioned for CredentialLock {
    type Key = UserId;
    const AGGREGATE: &'static Aggregate = &Aggregate {
        name: "credentials",
        has_outbox: true,
    };

    fn key(&self) -> &UserId {
        &self.user
    }

    fn version(&self) -> u64 {
        self.version
    }
}

/// Factor sets. A user without one has an empty set.
impl Versioned for FactorSet {
    type Key = UserId;
    const AGGREGATE: &'static Aggregate = &Aggregate {
        name: "factor_sets",
        has_outbox: true,
    };

    fn key(&self) -> &UserId {
        &self.user
    }

    fn version(&self) -> u64 {
        self.version
    }
}

/// Sign-ins. A user without one never had all sessions ended. Read linearizably, because absence means version 0.
impl Versioned for SignIn {
    type Key = UserId;
    const AGGREGATE: &'static Aggregate = &Aggregate {
        name: "sign_ins",
        has_outbox: true,
    };

    fn key(&self) -> &UserId {
        &self.user
    }

    fn version(&self) -> u64 {
        self.version
    }
}

/// The upkeep of a database: publishing events, removing expired records, and its own life.
#[async_trait]
pub trait StoreUpkeep: Send + Sync {
    /// Returns the outboxes of these aggregates: a service publishes the events of its own aggregates only.
    fn outboxes(&self, of: &[&'static Aggregate]) -> Arc<dyn Outboxes>;

    /// Returns the purge of these aggregates: a service removes its own expired records only.
    fn expired_records(&self, of: &[&'static Aggregate]) -> Arc<dyn ExpiredRecords>;

    /// Creates the missing indexes of these aggregates. Idempotent, also when several processes start at the same time.
    ///
    /// # Errors
    ///
    /// Returns [`StoreError`] when the store cannot answer. Some indexes may have been created.
    async fn create_indexes(&self, of: &[&'static Aggregate]) -> Result<(), StoreError>;

    /// Returns the check whether the store answers.
    fn readiness(&self) -> Arc<dyn Readiness>;

    /// Rejects new calls and waits until those in flight have ended. Afterwards no task of the store runs.
    async fn close(&self);
}
