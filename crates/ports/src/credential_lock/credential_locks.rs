use domain::credential_lock::CredentialLock;
use domain::ids::UserId;

use crate::{Aggregate, Versioned};

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
