//! The permissions of the operations on users. Role sets: the documented API (`docs/api.md` "Operations").

use crate::permission;
use crate::permission::Alternative;

const OWNER_WITH_MFA: Alternative =
    Alternative::user(&["CLI-AUTH-IDENTIFIED", "CLI-1STPARTY", "AUTH-BASIC", "AUTH-MFA", "USER"]);

const ADMINISTRATOR: Alternative = Alternative::user(&[
    "CLI-AUTH-IDENTIFIED",
    "CLI-1STPARTY",
    "AUTH-BASIC",
    "IAM_ADMIN_MAINTENANCE",
]);

/// An administrator of administrators, who has proved a second factor.
pub(super) const CHIEF_ADMINISTRATOR: Alternative =
    Alternative::user(&["CLI-AUTH-IDENTIFIED", "CLI-1STPARTY", "AUTH-MFA", "ADMIN"]);

permission!(
    /// Remove the user in the path. A user with an administrator role needs the second alternative.
    RemoveUser = [ADMINISTRATOR, CHIEF_ADMINISTRATOR]
);
permission!(
    /// Remove the calling user.
    RemoveOwnUser = [OWNER_WITH_MFA]
);
