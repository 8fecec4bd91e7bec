//! The permissions of the token operations. Role sets of SAML login, renewal and `change-app`: the documented API
//! (`docs/api.md` "Operations"). Revocation follows RFC 7009, introspection RFC 7662.

use crate::permission;
use crate::permission::Alternative;

permission!(
    /// Start a SAML login (`handle-auth`).
    HandleAuth: ByGate = [Alternative::client(&["CLI-AUTH-BASIC", "CLI-1STPARTY"]).with_scopes(&["SAML_SSO"])]
);
permission!(
    /// Renew a user's tokens: a client with its own token, or the user.
    RenewToken: ByGate = [
        Alternative::client(&["CLI-AUTH-IDENTIFIED", "CLI-1STPARTY"]),
        Alternative::user(&["CLI-AUTH-IDENTIFIED", "CLI-1STPARTY", "AUTH-BASIC", "USER"]),
    ]
);
permission!(
    /// Branch the caller's own session for another application (`change-app`).
    ChangeApp: ByGate = [Alternative::user(&["CLI-AUTH-IDENTIFIED", "CLI-1STPARTY", "AUTH-BASIC", "USER"])]
);
permission!(
    /// Revoke the caller's own session.
    RevokeToken = [Alternative::user(&["CLI-AUTH-IDENTIFIED", "CLI-1STPARTY", "AUTH-BASIC", "USER"])]
);
permission!(
    /// Introspect a token.
    IntrospectToken = [Alternative::client(&["CLI-AUTH-IDENTIFIED", "CLI-1STPARTY"])]
);
