use domain::actor::Actor;
use domain::ids::{ClientId, MalformedId, UserId};
use serde::{Deserialize, Serialize};

/// The stored form of an actor.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct ActorDocument {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    user: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    client: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    operator: Option<String>,
}

impl From<&Actor> for ActorDocument {
    fn from(actor: &Actor) -> Self {
        Self {
            user: actor.user.as_ref().map(UserId::to_string),
            client: actor.client.as_ref().map(ClientId::to_string),
            operator: actor.operator.clone(),
        }
    }
}

impl TryFrom<ActorDocument> for Actor {
    type Error = MalformedId;

    fn try_from(stored: ActorDocument) -> Result<Self, MalformedId> {
        Ok(Self {
            user: stored.user.map(UserId::parse).transpose()?,
            client: stored.client.map(ClientId::parse).transpose()?,
            operator: stored.operator,
        })
    }
}
