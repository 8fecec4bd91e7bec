//! Who may manage contacts. Source: AuthMe documentation, "Add alternative contacts", "Retrieve all user
//! authentication factors".

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
    /// Add contacts to oneself.
    AddOwnContacts = [Alternative::user(OWNER)]
);
permission!(
    /// See one's own contacts.
    ListOwnContacts: TokenOnly = [Alternative::user(OWNER)]
);
permission!(
    /// Change and remove one's own contacts.
    ManageOwnContacts = [Alternative::user(OWNER)]
);
permission!(
    /// Change and remove the contacts of the user in the path.
    ManageContacts = [Alternative::user(ADMINISTRATOR)]
);
permission!(
    /// Have a code sent to one's own contact, and answer it.
    ProveOwnContact = [Alternative::user(OWNER)]
);
