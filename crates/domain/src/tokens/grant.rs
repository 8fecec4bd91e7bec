use crate::client::Client;
use crate::group::Group;
use crate::identity::Identity;
use crate::ids::BusinessId;

/// The business is not (or no longer) linked to the user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the business is not linked to the user")]
pub struct BusinessNotLinked;

/// Roles and scopes, computed afresh from what is stored now and never copied from a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    pub roles: Vec<String>,
    pub scopes: Vec<String>,
}

impl Grant {
    /// What a client may do on its own.
    pub fn of_client(client: &Client) -> Self {
        Self {
            roles: client.roles.clone(),
            scopes: client.scopes.clone(),
        }
    }

    /// What a user may do through a client: the client's roles, the user's, those of `groups` and, when the session
    /// acts for a business, those of the link. `groups` are the known ones among the user's and the session's.
    pub fn of_user(
        client: &Client,
        identity: &Identity,
        groups: &[Group],
        business: Option<&BusinessId>,
    ) -> Result<Self, BusinessNotLinked> {
        let link = business
            .map(|id| identity.business(id).ok_or(BusinessNotLinked))
            .transpose()?;
        let mut roles = client.roles.clone();
        let of_groups = groups.iter().flat_map(|group| &group.roles);
        let of_business = link.iter().flat_map(|link| &link.roles);
        for role in identity.roles.iter().chain(of_groups).chain(of_business) {
            if !roles.contains(role) {
                roles.push(role.clone());
            }
        }
        Ok(Self {
            roles,
            scopes: client.scopes.clone(),
        })
    }
}
