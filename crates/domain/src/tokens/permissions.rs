//! Who may hand over, renew, revoke and introspect. Source: AuthMe documentation, "Renew Token", "Generate a renew app
//! token based on SAML"; RFC 7009, RFC 7662.

use crate::permission;
use crate::permission::Alternative;

permission!(
    /// Hand a user over from a SAML integration.
    HandOver: ByGate = [Alternative::client(&["CLI-AUTH-BASIC", "CLI-1STPARTY"]).with_scopes(&["SAML_SSO"])]
);
permission!(
    /// Renew a user's tokens.
    RenewToken: ByGate = [
        Alternative::client(&["CLI-AUTH-IDENTIFIED", "CLI-1STPARTY"]),
        Alternative::user(&["CLI-AUTH-IDENTIFIED", "CLI-1STPARTY", "AUTH-BASIC", "USER"]),
    ]
);
permission!(
    /// Take one's own session to another application.
    ChangeApp: ByGate = [Alternative::user(&["CLI-AUTH-IDENTIFIED", "CLI-1STPARTY", "AUTH-BASIC", "USER"])]
);
permission!(
    /// End one's own session.
    RevokeToken = [Alternative::user(&["CLI-AUTH-IDENTIFIED", "CLI-1STPARTY", "AUTH-BASIC", "USER"])]
);
permission!(
    /// Ask whether a token is good.
    IntrospectToken = [Alternative::client(&["CLI-AUTH-IDENTIFIED", "CLI-1STPARTY"])]
);
