//! Who acts.

use crate::ids::{ClientId, UserId};

/// Who caused a change: the user, the client that the user acts through, or the operator who runs a command.
///
/// All are absent for what was recorded before actors were.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Actor {
    /// The user that the access token carries.
    pub user: Option<UserId>,
    /// The client that the access token was issued to.
    pub client: Option<ClientId>,
    /// The operating system's name of whoever runs a command.
    pub operator: Option<String>,
}

impl Actor {
    /// An operator at the command line.
    pub fn operator(name: impl Into<String>) -> Self {
        Self {
            operator: Some(name.into()),
            ..Self::default()
        }
    }

    /// Whether nobody is named.
    pub fn is_unknown(&self) -> bool {
        self.user.is_none() && self.client.is_none() && self.operator.is_none()
    }
}
