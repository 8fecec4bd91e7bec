use crate::client::Client;
use crate::group::{AssertedGroups, Group};
use crate::identity::Identity;
use crate::ids::BusinessId;
use crate::names::{RoleHolder, is_administrator};

/// Bytes of all roles of one token: services and proxies refuse headers that are much longer than this makes them.
const MOST_BYTES_OF_ROLES: usize = 4 * 1024;

/// The business is not (or no longer) linked to the user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the business is not linked to the user")]
pub struct BusinessNotLinked;

/// Roles and scopes, computed afresh from what is stored now and never copied from a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RolesAndScopes {
    pub roles: Vec<String>,
    pub scopes: Vec<String>,
}

/// Returns the administrator roles that a user holds now through a client. A client that is not registered for
/// administration gives none.
///
/// They come from the identity, and from those of `groups` that are stored with the identity or that the session's hand-off
/// asserted by a client registered for them by name. A client, a link to a business and any other group give none.
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

/// Adds roles that are not there yet.
fn add<'a>(roles: &mut Vec<String>, more: impl Iterator<Item = &'a String>) {
    for role in more {
        if !roles.contains(role) {
            roles.push(role.clone());
        }
    }
}

/// Those of `roles` that may stand where they are found; administrator roles are computed by themselves.
fn given_by<'a>(holder: RoleHolder, roles: impl IntoIterator<Item = &'a String>) -> impl Iterator<Item = &'a String> {
    roles
        .into_iter()
        .filter(move |role| holder.check(role).is_ok() && !is_administrator(role))
}

impl RolesAndScopes {
    /// What a client may do on its own.
    pub fn of_client(client: &Client) -> Self {
        Self {
            roles: given_by(RoleHolder::Client, &client.roles).cloned().collect(),
            scopes: client.scopes.clone(),
        }
    }

    /// What a user may do through a client: the client's roles, the user's, those of `groups` and, when the session
    /// acts for a business, those of the link. `groups` are the known ones among the user's and those `asserted` for the
    /// session.
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
        add(&mut roles, given_by(RoleHolder::Identity, &identity.roles));
        add(&mut roles, given_by(RoleHolder::Group, of_groups));
        add(&mut roles, given_by(RoleHolder::BusinessLink, of_business));
        add(
            &mut roles,
            administrator_roles(client, identity, groups, asserted).iter(),
        );
        Ok(Self { roles, scopes })
    }

    /// Whether the roles fit into a token.
    pub fn fits(&self) -> bool {
        self.roles.iter().map(String::len).sum::<usize>() <= MOST_BYTES_OF_ROLES
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

    fn client(administration: bool) -> Client {
        Client {
            roles: texts(&["CLI-1STPARTY", "ADMIN", "AUTH-MFA"]),
            scopes: texts(&["READ"]),
            allows_administration: administration,
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

    fn roles(administration: bool, identity: &Identity, asserted: &AssertedGroups) -> Vec<String> {
        let client = client(administration);
        let grant = RolesAndScopes::of_user(&client, identity, &admins(), asserted, Some(&business()));
        grant.unwrap().roles
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
    fn a_client_that_is_not_registered_for_administration_gives_no_administrator_role() {
        let administrator = identity(&["USER", "IAM_ADMIN_MAINTENANCE"], &["admins"]);
        assert_eq!(
            roles(false, &administrator, &asserted(&["admins"])),
            ["CLI-1STPARTY", "USER", "CLERK", "BUYER"]
        );
    }

    #[test]
    fn a_client_on_its_own_has_neither_administrator_roles_nor_those_of_a_proof() {
        assert_eq!(RolesAndScopes::of_client(&client(true)).roles, ["CLI-1STPARTY"]);
    }

    #[test]
    fn roles_fit_up_to_four_kibibytes() {
        let grant = |length: usize| RolesAndScopes {
            roles: vec!["x".repeat(length - 1), "y".to_owned()],
            scopes: Vec::new(),
        };
        assert!(grant(4096).fits());
        assert!(!grant(4097).fits());
    }
}
