//! The actor that an event or an audit record names.

use crate::ids::{ClientId, UserId};

/// The cause of a change: a user, the client that the user acts through, or the operator who runs a command.
///
/// All fields are `None` in records that were stored before actors were recorded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Actor {
    /// The user that the access token carries; `None` for a client-only token and for an operator.
    pub user: Option<UserId>,
    /// The client that the access token was issued to.
    pub client: Option<ClientId>,
    /// The name under which the operating system knows the operator who runs a command.
    pub operator: Option<String>,
}

impl Actor {
    /// Returns the actor of a command that the operator `name` runs. It has neither user nor client.
    pub fn operator(name: impl Into<String>) -> Self {
        Self {
            operator: Some(name.into()),
            ..Self::default()
        }
    }

    /// Returns whether no actor was recorded.
    pub fn is_unknown(&self) -> bool {
        self.user.is_none() && self.client.is_none() && self.operator.is_none()
    }
}
