//! Groups: names that a directory asserts for a user, and the roles that they grant.

/// Permits all groups without an administrator role, when it is listed in a client's `assertable_groups`. It never refers to a
/// group of that name.
pub const ANY_GROUP: &str = "*";

/// The maximum number of groups that one SAML login may name. A user is in dozens of groups of a directory, and every
/// renewal of the session reads each of them.
pub const MAX_ASSERTED_GROUPS: usize = 200;

/// The maximum length of a group name, in bytes: enough for the distinguished names of directories.
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
    /// Admits the asserted groups that are `known` and that the client may assert, each once and in the order given. A
    /// group with an administrator role is admitted only if `assertable_groups` lists its name, never through [`ANY_GROUP`].
    pub fn admit(asserted: &[String], known: &[Group], may_assert: &[String]) -> Self {
        let may_assert_any = may_assert.iter().any(|name| name == ANY_GROUP);
        let mut admitted = Self::default();
        for name in asserted {
            let Some(group) = known.iter().find(|group| group.name == *name) else {
                continue;
            };
            let is_listed = name != ANY_GROUP && may_assert.contains(name);
            if !(is_listed || (may_assert_any && !group.administrates())) || admitted.names.contains(name) {
                continue;
            }
            admitted.names.push(name.clone());
            if is_listed {
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

    fn known_groups() -> Vec<Group> {
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
    fn admit_keeps_only_groups_that_the_client_may_assert() {
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
            let admitted = AssertedGroups::admit(&asserted, &known_groups(), &texts(may_assert));
            assert_eq!(admitted, expected, "{may_assert:?}");
        }
    }
}
