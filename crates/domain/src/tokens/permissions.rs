//! The permissions of the token operations. Role sets of SAML login, renewal and `change-app`: the documented API
//! (`docs/api.md` "Operations"). Revocation follows RFC 7009, introspection RFC 7662.

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
    /// Start a SAML login (`handle-auth`).
    HandleAuth: ByGate = [Alternative::client(&["CLI-AUTH-BASIC", "CLI-1STPARTY"]).with_scopes(&["SAML_SSO"])]
);
permission!(
    /// Renew a user's tokens: a client with its own token, or the user.
    RenewToken: ByGate = [
        Alternative::client(&["CLI-AUTH-IDENTIFIED", "CLI-1STPARTY"]),
        Alternative::user(OWNER),
    ]
);
permission!(
    /// Branch the caller's own session for another application (`change-app`).
    ChangeApp: ByGate = [Alternative::user(OWNER)]
);
permission!(
    /// Revoke the caller's own session.
    RevokeToken = [Alternative::user(OWNER)]
);
permission!(
    /// Introspect a token.
    IntrospectToken = [Alternative::client(&["CLI-AUTH-IDENTIFIED", "CLI-1STPARTY"])]
);
permission!(
    /// List the caller's own sessions.
    ListOwnSessions = [Alternative::user(OWNER)]
);
permission!(
    /// End one or all of the caller's own sessions.
    EndOwnSessions = [Alternative::user(OWNER)]
);
permission!(
    /// List the sessions of the user in the path.
    ListSessions = [Alternative::user(ADMINISTRATOR)]
);
permission!(
    /// End one or all sessions of the user in the path.
    EndSessions = [Alternative::user(ADMINISTRATOR)]
);
