use std::fmt;

/// The id and the secret of a registered client.
#[derive(Clone)]
pub struct ClientLogin {
    pub id: String,
    pub secret: String,
}

impl fmt::Debug for ClientLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientLogin")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// The clients that every trial uses.
#[derive(Debug, Clone)]
pub struct Fixtures {
    /// Reports SAML logins.
    pub gateway: ClientLogin,
    /// Acts for users and sees all of their contacts.
    pub portal: ClientLogin,
    /// Locks and unlocks credentials.
    pub desk: ClientLogin,
}
