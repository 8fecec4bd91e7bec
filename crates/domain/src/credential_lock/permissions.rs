//! Who may lock, unlock and follow. Source: AuthMe documentation, "Lock an user credential".

use crate::permission;
use crate::permission::Alternative;

const ADMINISTRATOR: Alternative = Alternative::user(&["CLI-1STPARTY", "AUTH-BASIC", "IAM_ADMIN_MAINTENANCE"]);
const MACHINE: Alternative = Alternative::client(&["CLI-1STPARTY", "CLI-AUTH-BASIC"]);

permission!(
    /// Lock a credential.
    LockCredential = [ADMINISTRATOR, MACHINE.with_scopes(&["account_lock"])]
);
permission!(
    /// Unlock a credential.
    UnlockCredential = [ADMINISTRATOR, MACHINE.with_scopes(&["account_unlock"])]
);
permission!(
    /// See whether a credential is locked: as lock, with either scope.
    GetLock = [ADMINISTRATOR, MACHINE.with_scopes(&["account_lock"]), MACHINE.with_scopes(&["account_unlock"])]
);
permission!(
    /// Follow the embedded event log: administrators as lock, machines by a scope of its own.
    FollowEvents = [ADMINISTRATOR, MACHINE.with_scopes(&["events_read"])]
);
