//! The rule that decides who may remove a user.

use crate::caller::Caller;
use crate::group::Group;
use crate::identity::Identity;
use crate::names::is_administrator;
use crate::permission::permits;

use super::permissions::CHIEF_ADMINISTRATOR;

/// The user holds an administrator role, and the caller may not remove administrators.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a user with an administrator role is removed by a caller with the roles ADMIN and AUTH-MFA only")]
pub struct RemovalNotPermitted;

/// Checks that the caller, who has the permission to remove users, may remove this one. `groups` are the stored groups
/// of the user.
///
/// # Errors
///
/// Returns [`RemovalNotPermitted`] when the user holds an administrator role, by itself or by a group, and the caller
/// lacks `ADMIN` or `AUTH-MFA`.
pub fn check_removal(caller: &Caller, user: &Identity, groups: &[Group]) -> Result<(), RemovalNotPermitted> {
    let is_administrator =
        user.roles.iter().any(|role| is_administrator(role)) || groups.iter().any(Group::administrates);
    if !is_administrator || permits(&[CHIEF_ADMINISTRATOR], caller, Some(&user.id)) {
        Ok(())
    } else {
        Err(RemovalNotPermitted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::caller::CallingUser;
    use crate::contact::ContactType;
    use crate::ids::{ClientId, UserId};
    use crate::time::Timestamp;

    fn texts(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    fn caller(roles: &[&str]) -> Caller {
        Caller {
            client: ClientId::parse("portal").unwrap(),
            client_epoch: 0,
            user: Some(CallingUser {
                id: UserId::parse("root").unwrap(),
                business: None,
                session: None,
                epoch: 0,
                sessions_version: 0,
            }),
            roles: texts(roles),
            scopes: Vec::new(),
            expires_at: Timestamp::MAX,
        }
    }

    fn user(roles: &[&str]) -> Identity {
        Identity {
            id: UserId::parse("ana").unwrap(),
            name: None,
            email: None,
            mobile: None,
            main_contact_type: ContactType::Email,
            roles: texts(roles),
            groups: Vec::new(),
            businesses: Vec::new(),
        }
    }

    #[test]
    fn administrators_are_removed_with_a_second_factor_only() {
        let client = ["CLI-AUTH-IDENTIFIED", "CLI-1STPARTY", "AUTH-BASIC"];
        let with = |roles: &[&str]| caller(&[&client, roles].concat());
        let maintainer = with(&["IAM_ADMIN_MAINTENANCE"]);
        let group = |role: &str| Group {
            name: "staff".to_owned(),
            roles: texts(&[role]),
        };
        assert_eq!(check_removal(&maintainer, &user(&["USER"]), &[group("BUYER")]), Ok(()));
        for (user, groups) in [
            (user(&["ADMIN"]), vec![]),
            (user(&["ROLE_IAM_ADMIN_MAINTENANCE"]), vec![]),
            (user(&["USER"]), vec![group("BUYER"), group("ADMIN")]),
        ] {
            for rejected in [&maintainer, &with(&["ADMIN"]), &with(&["AUTH-MFA", "USER"])] {
                assert_eq!(check_removal(rejected, &user, &groups), Err(RemovalNotPermitted));
            }
            assert_eq!(check_removal(&with(&["ADMIN", "AUTH-MFA"]), &user, &groups), Ok(()));
        }
    }
}
