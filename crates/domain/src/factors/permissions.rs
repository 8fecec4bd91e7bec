//! Who may manage contacts. Source: AuthMe documentation, "Add alternative contacts", "Retrieve all user
//! authentication factors".

use crate::permission;
use crate::permission::Alternative;

const OWNER: &[&str] = &["CLI-AUTH-IDENTIFIED", "CLI-1STPARTY", "AUTH-BASIC", "USER"];

permission!(
    /// Add contacts to the user in the path.
    AddContacts = [
        Alternative::client(&["CLI-AUTH-IDENTIFIED", "CLI-1STPARTY"]),
        Alternative::user(&["CLI-AUTH-IDENTIFIED", "CLI-1STPARTY", "AUTH-BASIC", "IAM_ADMIN_MAINTENANCE"]),
        Alternative::same_user(OWNER),
    ]
);
permission!(
    /// Add contacts to oneself.
    AddOwnContacts = [Alternative::user(OWNER)]
);
permission!(
    /// See one's own contacts.
    ListOwnContacts = [Alternative::user(OWNER)]
);
