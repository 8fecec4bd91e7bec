//! The check of a registration: added names must be known, and roles must be stored where they can be given.

use std::collections::BTreeSet;

use crate::client::Client;
use crate::group::{ANY_GROUP, Group};
use crate::identity::Identity;
use crate::names::{MisplacedRole, NameKind, RoleHolder, nearest};

/// The roles, scopes and groups that a change adds. Only these are checked, so that a registration that is older than a
/// rule can still be changed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Additions {
    roles: Vec<(RoleHolder, String)>,
    scopes: Vec<String>,
    groups: Vec<String>,
}

/// The names that the operator made known. Those that AuthMe itself defines are not among them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Known {
    /// Without the prefix `ROLE_`.
    pub roles: BTreeSet<String>,
    /// Compared exactly.
    pub scopes: BTreeSet<String>,
    /// Names of the registered groups.
    pub groups: BTreeSet<String>,
}

/// The first name of a registration that is rejected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnknownNameError {
    /// The role cannot be given by the client, user, link or group that it is registered with.
    #[error("the role `{role}` is not allowed here: {why}")]
    Misplaced {
        /// The role as the operator wrote it.
        role: String,
        /// The rule that forbids it.
        why: MisplacedRole,
    },
    /// A typing error, or a name that the operator has to make known first.
    #[error("there is no {kind} `{name}`{}: `authme {kind} add {name}` makes it known", suggestion(nearest.as_deref()))]
    Unknown {
        /// `role`, `scope` or `group`: the command that makes the name known.
        kind: &'static str,
        /// A role is without the prefix `ROLE_`.
        name: String,
        /// The known name that is the fewest edits away, which the operator may have meant.
        nearest: Option<String>,
    },
}

fn suggestion(nearest: Option<&str>) -> String {
    nearest.map_or_else(String::new, |nearest| {
        format!("; the nearest that is known is `{nearest}`")
    })
}

fn new_names<'a>(before: Option<&'a [String]>, after: &'a [String]) -> impl Iterator<Item = String> + 'a {
    let is_new = move |name: &&String| before.is_none_or(|before| !before.contains(name));
    after.iter().filter(is_new).cloned()
}

impl Additions {
    /// Returns what `after` adds to the stored client `before`; all of it when the client is new.
    pub fn of_client(before: Option<&Client>, after: &Client) -> Self {
        let roles = new_names(before.map(|client| &*client.roles), &after.roles);
        let groups = new_names(
            before.map(|client| &*client.assertable_groups),
            &after.assertable_groups,
        );
        Self {
            roles: roles.map(|role| (RoleHolder::Client, role)).collect(),
            scopes: new_names(before.map(|client| &*client.scopes), &after.scopes).collect(),
            groups: groups.filter(|name| name != ANY_GROUP).collect(),
        }
    }

    /// Returns what `after` adds to the stored user `before`, its business links included; all of it when the user is
    /// new.
    pub fn of_identity(before: Option<&Identity>, after: &Identity) -> Self {
        let own = new_names(before.map(|identity| &*identity.roles), &after.roles);
        let mut roles: Vec<_> = own.map(|role| (RoleHolder::Identity, role)).collect();
        for link in &after.businesses {
            let stored = before.and_then(|identity| identity.business(&link.id));
            let of_link = new_names(stored.map(|link| &*link.roles), &link.roles);
            roles.extend(of_link.map(|role| (RoleHolder::BusinessLink, role)));
        }
        Self {
            roles,
            scopes: Vec::new(),
            groups: new_names(before.map(|identity| &*identity.groups), &after.groups).collect(),
        }
    }

    /// Returns what `after` adds to the stored group `before`; all of it when the group is new.
    pub fn of_group(before: Option<&Group>, after: &Group) -> Self {
        let roles = new_names(before.map(|group| &*group.roles), &after.roles);
        Self {
            roles: roles.map(|role| (RoleHolder::Group, role)).collect(),
            ..Self::default()
        }
    }

    /// Returns whether AuthMe itself defines all names, so that [`check`](Self::check) needs no [`Known`] from the
    /// store.
    pub fn are_defined(&self) -> bool {
        self.groups.is_empty()
            && self.roles.iter().all(|(_, role)| NameKind::Role.defines(role))
            && self.scopes.iter().all(|scope| NameKind::Scope.defines(scope))
    }

    /// Checks roles first, then scopes, then groups.
    ///
    /// # Errors
    ///
    /// Returns the first name that is misplaced or unknown.
    pub fn check(&self, known: &Known) -> Result<(), UnknownNameError> {
        for (holder, role) in &self.roles {
            holder.check(role).map_err(|why| UnknownNameError::Misplaced {
                role: role.clone(),
                why,
            })?;
            known.check(NameKind::Role, role)?;
        }
        for scope in &self.scopes {
            known.check(NameKind::Scope, scope)?;
        }
        self.groups.iter().try_for_each(|group| known.check_group(group))
    }
}

impl Known {
    fn check(&self, kind: NameKind, name: &str) -> Result<(), UnknownNameError> {
        let (made_known, bare) = match kind {
            NameKind::Role => (&self.roles, crate::caller::bare_role(name)),
            NameKind::Scope => (&self.scopes, name),
        };
        if kind.defines(name) || made_known.contains(bare) {
            return Ok(());
        }
        let defined = kind.definitions().iter().map(|defined| defined.name);
        Err(UnknownNameError::Unknown {
            kind: kind.as_str(),
            name: bare.to_owned(),
            nearest: nearest(bare, defined.chain(made_known.iter().map(String::as_str))).map(str::to_owned),
        })
    }

    fn check_group(&self, name: &str) -> Result<(), UnknownNameError> {
        if self.groups.contains(name) {
            return Ok(());
        }
        Err(UnknownNameError::Unknown {
            kind: "group",
            name: name.to_owned(),
            nearest: nearest(name, self.groups.iter().map(String::as_str)).map(str::to_owned),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::ClientId;

    fn texts(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    fn known_names() -> Known {
        Known {
            roles: ["BUYER".to_owned()].into(),
            scopes: ["reports".to_owned()].into(),
            groups: ["Finance".to_owned()].into(),
        }
    }

    fn client(roles: &[&str], scopes: &[&str], may_assert: &[&str]) -> Client {
        Client {
            roles: texts(roles),
            scopes: texts(scopes),
            assertable_groups: texts(may_assert),
            ..Client::new(ClientId::parse("portal").unwrap())
        }
    }

    fn error_message(client: &Client) -> String {
        let result = Additions::of_client(None, client).check(&known_names());
        result.map_or_else(|error| error.to_string(), |()| "none".to_owned())
    }

    #[test]
    fn unknown_name_error_suggests_the_nearest_known_name() {
        for (client, expected) in [
            (
                client(&["CLI-1STPARTY", "ROLE_BUYER"], &["reports", "READ"], &["*", "Finance"]),
                "none",
            ),
            (
                client(&["CLI-1STPARTI"], &[], &[]),
                "there is no role `CLI-1STPARTI`; the nearest that is known is `CLI-1STPARTY`: `authme role add CLI-1STPARTI` \
                 makes it known",
            ),
            (
                client(&[], &["report"], &[]),
                "there is no scope `report`; the nearest that is known is `reports`: `authme scope add report` makes it known",
            ),
            (
                client(&[], &[], &["Finances"]),
                "there is no group `Finances`; the nearest that is known is `Finance`: `authme group add Finances` makes it \
                 known",
            ),
            (
                client(&["ADMIN"], &[], &[]),
                "the role `ADMIN` is not allowed here: an administrator role is given to a user itself or by a group, never by a \
                 client or a link to a business",
            ),
        ] {
            assert_eq!(error_message(&client), expected);
        }
    }

    #[test]
    fn check_ignores_names_that_were_stored_before() {
        let stored = client(&["OLD"], &["old"], &["Old"]);
        let changed = client(&["OLD", "BUYER"], &["old"], &["Old", "Finance"]);
        let additions = Additions::of_client(Some(&stored), &changed);
        assert_eq!(additions.check(&known_names()), Ok(()));
        assert!(Additions::of_client(None, &changed).check(&known_names()).is_err());
        assert!(!additions.are_defined());
        assert!(Additions::of_client(Some(&stored), &stored).are_defined());
    }
}
