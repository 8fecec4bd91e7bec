//! Groups: names that a directory asserts for a user, and the roles that they grant.

/// In a client's `may_assert`, permits all groups without an administrator role. It is not the name of a group.
pub const ANY_GROUP: &str = "*";

/// The most groups that one SAML login may name. A directory has a user in dozens, and every renewal of the session
/// reads each group.
pub const MAX_ASSERTED_GROUPS: usize = 200;

/// The longest name of a group, in bytes: enough for the distinguished names of directories.
pub const MAX_GROUP_NAME_BYTES: usize = 256;

/// A group and the roles of its members.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Compared exactly with the names that a directory asserts.
    pub name: String,
    /// Granted to each member, except those that [`RoleHolder::Group`](crate::names::RoleHolder::Group) excludes.
    pub roles: Vec<String>,
}

impl Group {
    /// Returns whether one of its roles is an administrator role.
    pub fn administrates(&self) -> bool {
        self.roles.iter().any(|role| crate::names::is_administrator(role))
    }
}

/// The groups that a client asserted for a session.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AssertedGroups {
    /// All admitted groups, each once.
    pub names: Vec<String>,
    /// The subset of `names` that the client is registered for by name: only these give administrator roles.
    pub administrative: Vec<String>,
}

impl AssertedGroups {
    /// Admits those of `asserted` that are `known` and that the client's `may_assert` permits, in the order given and
    /// each once. A group with an administrator role is permitted by its name only, never by [`ANY_GROUP`].
    pub fn admit(asserted: &[String], known: &[Group], may_assert: &[String]) -> Self {
        let may_any = may_assert.iter().any(|name| name == ANY_GROUP);
        let mut admitted = Self::default();
        for name in asserted {
            let Some(group) = known.iter().find(|group| group.name == *name) else {
                continue;
            };
            let by_name = name != ANY_GROUP && may_assert.contains(name);
            if !(by_name || (may_any && !group.administrates())) || admitted.names.contains(name) {
                continue;
            }
            admitted.names.push(name.clone());
            if by_name {
                admitted.administrative.push(name.clone());
            }
        }
        admitted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    fn known() -> Vec<Group> {
        let group = |name: &str, roles: &[&str]| Group {
            name: name.to_owned(),
            roles: texts(roles),
        };
        vec![
            group("staff", &["CLERK"]),
            group("admins", &["CLERK", "ROLE_ADMIN"]),
            group("*", &["ANYTHING"]),
        ]
    }

    #[test]
    fn admitted_keeps_only_groups_that_the_client_may_assert() {
        let asserted = texts(&["strangers", "admins", "staff", "admins", "*"]);
        for (may_assert, names, administrative) in [
            (&[][..], &[][..], &[][..]),
            (&["staff"], &["staff"], &["staff"]),
            (&["admins"], &["admins"], &["admins"]),
            (&["*"], &["staff", "*"], &[]),
            (&["*", "admins"], &["admins", "staff", "*"], &["admins"]),
            (&["strangers", "Staff"], &[], &[]),
        ] {
            let expected = AssertedGroups {
                names: texts(names),
                administrative: texts(administrative),
            };
            let admitted = AssertedGroups::admit(&asserted, &known(), &texts(may_assert));
            assert_eq!(admitted, expected, "{may_assert:?}");
        }
    }
}
