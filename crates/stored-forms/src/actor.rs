use domain::actor::Actor;
use domain::ids::{ClientId, UserId};
use serde::{Deserialize, Serialize};

use crate::Corrupt;

/// The stored form of an actor.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct ActorForm {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    user: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    client: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    operator: Option<String>,
}

impl From<&Actor> for ActorForm {
    fn from(actor: &Actor) -> Self {
        Self {
            user: actor.user.as_ref().map(UserId::to_string),
            client: actor.client.as_ref().map(ClientId::to_string),
            operator: actor.operator.clone(),
        }
    }
}

impl ActorForm {
    /// Returns the actor.
    ///
    /// # Errors
    ///
    /// Returns [`Corrupt`] for a malformed id.
    pub fn read(self) -> Result<Actor, Corrupt> {
        Ok(Actor {
            user: self.user.map(UserId::parse).transpose()?,
            client: self.client.map(ClientId::parse).transpose()?,
            operator: self.operator,
        })
    }
}
