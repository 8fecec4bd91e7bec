//! The permissions of the lock operations and of the event log. Role sets: the documented API (`docs/api.md`
//! "Operations").

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
    /// Read a lock status: a machine needs the scope for locking or the scope for unlocking.
    GetLock = [ADMINISTRATOR, MACHINE.with_scopes(&["account_lock"]), MACHINE.with_scopes(&["account_unlock"])]
);
permission!(
    /// Follow the embedded event log: administrators as for [`LockCredential`], machines with a separate scope.
    FollowEvents = [ADMINISTRATOR, MACHINE.with_scopes(&["events_read"])]
);
