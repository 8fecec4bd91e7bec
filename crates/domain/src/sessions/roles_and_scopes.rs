use crate::client::Client;
use crate::group::{AssertedGroups, Group};
use crate::identity::Identity;
use crate::ids::BusinessId;
use crate::names::{RoleHolder, is_administrator};

/// The maximum total size of the roles of one token, in bytes. The token travels in a header, and services and proxies
/// reject long headers.
const MAX_ROLES_BYTES: usize = 4 * 1024;

/// The business that a session acts for is not, or no longer, linked to the user (412, code 23).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the business is not linked to the user")]
pub struct BusinessNotLinked;

/// The roles and scopes of a token, computed from stored data whenever a token is issued and never copied from a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RolesAndScopes {
    /// Each role once, in the order client, user, groups, business link, administrator roles.
    pub roles: Vec<String>,
    /// The client's scopes; a user adds none.
    pub scopes: Vec<String>,
}

/// Returns the administrator roles that a user holds through a client; none through a client that is not registered for
/// administration.
///
/// They come from the identity itself and from two kinds of `groups`: those stored with the identity, and those
/// asserted for the session by a client that is registered for them by name. A client, a business link and any other
/// group give none.
pub fn administrator_roles(
    client: &Client,
    identity: &Identity,
    groups: &[Group],
    asserted: &AssertedGroups,
) -> Vec<String> {
    if !client.allows_administration {
        return Vec::new();
    }
    let counts =
        |group: &&Group| identity.groups.contains(&group.name) || asserted.administrative.contains(&group.name);
    let of_groups = groups.iter().filter(counts).flat_map(|group| &group.roles);
    let mut held = Vec::new();
    add(
        &mut held,
        identity
            .roles
            .iter()
            .chain(of_groups)
            .filter(|role| is_administrator(role)),
    );
    held
}

/// Adds the roles that are missing, in order.
fn add<'a>(roles: &mut Vec<String>, more: impl Iterator<Item = &'a String>) {
    for role in more {
        if !roles.contains(role) {
            roles.push(role.clone());
        }
    }
}

/// Returns the roles that `holder` may give, without administrator roles, which [`administrator_roles`] computes.
fn ordinary_roles<'a>(
    holder: RoleHolder,
    roles: impl IntoIterator<Item = &'a String>,
) -> impl Iterator<Item = &'a String> {
    roles
        .into_iter()
        .filter(move |role| holder.check(role).is_ok() && !is_administrator(role))
}

impl RolesAndScopes {
    /// Returns the roles and scopes of a client-only token.
    pub fn of_client(client: &Client) -> Self {
        Self {
            roles: ordinary_roles(RoleHolder::Client, &client.roles).cloned().collect(),
            scopes: client.scopes.clone(),
        }
    }

    /// Returns the roles and scopes of a user's token: the roles of the client, the user and `groups`, and those of the
    /// business link if the session acts for a business. `groups` are the known groups among the user's own and the
    /// `asserted` ones.
    ///
    /// # Errors
    ///
    /// Returns [`BusinessNotLinked`] when the session acts for a business that the user has no link to.
    pub fn of_user(
        client: &Client,
        identity: &Identity,
        groups: &[Group],
        asserted: &AssertedGroups,
        business: Option<&BusinessId>,
    ) -> Result<Self, BusinessNotLinked> {
        let link = business
            .map(|id| identity.business(id).ok_or(BusinessNotLinked))
            .transpose()?;
        let Self { mut roles, scopes } = Self::of_client(client);
        let of_groups = groups.iter().flat_map(|group| &group.roles);
        let of_business = link.iter().flat_map(|link| &link.roles);
        add(&mut roles, ordinary_roles(RoleHolder::Identity, &identity.roles));
        add(&mut roles, ordinary_roles(RoleHolder::Group, of_groups));
        add(&mut roles, ordinary_roles(RoleHolder::BusinessLink, of_business));
        add(
            &mut roles,
            administrator_roles(client, identity, groups, asserted).iter(),
        );
        Ok(Self { roles, scopes })
    }

    /// Returns whether the roles fit into a token: at most 4 KiB in total (412, code 22, if they do not).
    pub fn fits(&self) -> bool {
        self.roles.iter().map(String::len).sum::<usize>() <= MAX_ROLES_BYTES
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contact::ContactType;
    use crate::identity::BusinessLink;
    use crate::ids::{ClientId, UserId};

    fn texts(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    fn client(allows_administration: bool) -> Client {
        Client {
            roles: texts(&["CLI-1STPARTY", "ADMIN", "AUTH-MFA"]),
            scopes: texts(&["READ"]),
            allows_administration,
            ..Client::new(ClientId::parse("portal").unwrap())
        }
    }

    fn identity(roles: &[&str], groups: &[&str]) -> Identity {
        Identity {
            id: UserId::parse("ana").unwrap(),
            name: None,
            email: None,
            mobile: None,
            main_contact_type: ContactType::Email,
            roles: texts(roles),
            groups: texts(groups),
            businesses: vec![BusinessLink {
                id: business(),
                roles: texts(&["BUYER", "IAM_ADMIN_MAINTENANCE", "CLI-1STPARTY", "AUTH-BASIC"]),
            }],
        }
    }

    fn business() -> BusinessId {
        BusinessId::parse("bakery").unwrap()
    }

    fn admins() -> Vec<Group> {
        vec![Group {
            name: "admins".to_owned(),
            roles: texts(&["CLERK", "ROLE_ADMIN", "CLI-X", "AUTH-MFA"]),
        }]
    }

    fn asserted(administrative: &[&str]) -> AssertedGroups {
        AssertedGroups {
            names: texts(&["admins"]),
            administrative: texts(administrative),
        }
    }

    fn roles(allows_administration: bool, identity: &Identity, asserted: &AssertedGroups) -> Vec<String> {
        let client = client(allows_administration);
        let result = RolesAndScopes::of_user(&client, identity, &admins(), asserted, Some(&business()));
        result.unwrap().roles
    }

    #[test]
    fn administrator_roles_come_from_the_identity_and_its_groups_alone() {
        let plain = ["CLI-1STPARTY", "USER", "CLERK", "BUYER"];
        let with = |role: &'static str| [&plain[..], &[role]].concat();
        let user = identity(&["USER"], &[]);
        assert_eq!(roles(true, &user, &asserted(&[])), plain);
        assert_eq!(roles(true, &user, &asserted(&["admins"])), with("ROLE_ADMIN"));
        let member = identity(&["USER"], &["admins"]);
        assert_eq!(roles(true, &member, &AssertedGroups::default()), with("ROLE_ADMIN"));
        let administrator = identity(&["USER", "IAM_ADMIN_MAINTENANCE"], &[]);
        assert_eq!(
            roles(true, &administrator, &asserted(&[])),
            with("IAM_ADMIN_MAINTENANCE")
        );
    }

    #[test]
    fn clients_without_administration_give_no_administrator_role() {
        let administrator = identity(&["USER", "IAM_ADMIN_MAINTENANCE"], &["admins"]);
        assert_eq!(
            roles(false, &administrator, &asserted(&["admins"])),
            ["CLI-1STPARTY", "USER", "CLERK", "BUYER"]
        );
    }

    #[test]
    fn client_only_tokens_have_no_administrator_or_proof_role() {
        assert_eq!(RolesAndScopes::of_client(&client(true)).roles, ["CLI-1STPARTY"]);
    }

    #[test]
    fn roles_fit_up_to_four_kibibytes() {
        let with_bytes = |length: usize| RolesAndScopes {
            roles: vec!["x".repeat(length - 1), "y".to_owned()],
            scopes: Vec::new(),
        };
        assert!(with_bytes(4096).fits());
        assert!(!with_bytes(4097).fits());
    }
}
