//! The permissions of the contact operations. Role sets: the documented API (`docs/api.md` "Operations").

use crate::permission;
use crate::permission::Alternative;

const OWNER: &[&str] = &["CLI-AUTH-IDENTIFIED", "CLI-1STPARTY", "AUTH-BASIC", "USER"];

const ADMINISTRATOR: &[&str] = &[
    "CLI-AUTH-IDENTIFIED",
    "CLI-1STPARTY",
    "AUTH-BASIC",
    "IAM_ADMIN_MAINTENANCE",
];

permission!(
    /// Add contacts to the user in the path.
    AddContacts = [
        Alternative::client(&["CLI-AUTH-IDENTIFIED", "CLI-1STPARTY"]),
        Alternative::user(ADMINISTRATOR),
        Alternative::same_user(OWNER),
    ]
);
permission!(
    /// Add contacts to the calling user.
    AddOwnContacts = [Alternative::user(OWNER)]
);
permission!(
    /// List the caller's own contacts, masked.
    ListOwnContacts: TokenOnly = [Alternative::user(OWNER)]
);
permission!(
    /// Change and remove the caller's own contacts.
    ManageOwnContacts = [Alternative::user(OWNER)]
);
permission!(
    /// Change and remove the contacts of the user in the path.
    ManageContacts = [Alternative::user(ADMINISTRATOR)]
);
permission!(
    /// Have a code sent to one of the caller's own contacts, and answer it.
    ProveOwnContact = [Alternative::user(OWNER)]
);
