//! Groups: names that a directory asserts, and the roles they grant.

/// Stands among the groups that a client may assert for all that give no administrator role; it is no group's name.
pub const ANY_GROUP: &str = "*";

/// Groups that one hand-off may name: a directory's user is in dozens, and each costs every renewal of the session.
pub const MOST_ASSERTED: usize = 200;

/// Bytes of a group's name, as long as the distinguished names of directories get.
pub const LONGEST_NAME: usize = 256;

/// A group and the roles of its members.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    pub name: String,
    pub roles: Vec<String>,
}

impl Group {
    /// Whether one of its roles is an administrator role.
    pub fn administrates(&self) -> bool {
        self.roles.iter().any(|role| crate::names::is_administrator(role))
    }
}

/// The groups that a client asserted for a session.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AssertedGroups {
    pub names: Vec<String>,
    /// Those of `names` that the client is registered for by name: only they give administrator roles.
    pub administrative: Vec<String>,
}

impl AssertedGroups {
    /// Keeps of `asserted` what is `known` and what a client that is registered with `may_assert` may assert, in the order
    /// given and each once.
    pub fn admitted(asserted: &[String], known: &[Group], may_assert: &[String]) -> Self {
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
    fn a_client_asserts_what_it_is_registered_for_and_nothing_else() {
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
            let admitted = AssertedGroups::admitted(&asserted, &known(), &texts(may_assert));
            assert_eq!(admitted, expected, "{may_assert:?}");
        }
    }
}
