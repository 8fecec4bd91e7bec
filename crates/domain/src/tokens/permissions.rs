//! Who may hand over and renew. Source: AuthMe documentation, "Renew Token", "Generate a renew app token based on SAML".

use crate::permission;
use crate::permission::Alternative;

permission!(
    /// Hand a user over from a SAML integration.
    HandOver = [Alternative::client(&["CLI-AUTH-BASIC", "CLI-1STPARTY"]).with_scopes(&["SAML_SSO"])]
);
permission!(
    /// Renew a user's tokens.
    RenewToken = [
        Alternative::client(&["CLI-AUTH-IDENTIFIED", "CLI-1STPARTY"]),
        Alternative::user(&["CLI-AUTH-IDENTIFIED", "CLI-1STPARTY", "AUTH-BASIC", "USER"]),
    ]
);
