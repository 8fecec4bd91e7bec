//! The user who runs a command, for the audit trail.

use std::fs;
use std::os::unix::fs::MetadataExt as _;

use domain::actor::Actor;

/// The `loginuid` of a process that does not descend from a login (`AUDIT_UID_UNSET`).
const NO_LOGIN: u32 = u32::MAX;

/// Returns the operator as the actor of events and audit records.
pub(super) fn actor() -> Actor {
    Actor::operator(name())
}

/// Returns the name of the user who logged in, which `su` and `sudo` do not change. Without a login, returns the name
/// of the effective user. Environment variables such as `USER` are not read, because any caller can set them.
pub(super) fn name() -> String {
    let login = fs::read_to_string("/proc/self/loginuid");
    let login = login.ok().and_then(|text| text.trim().parse().ok());
    let user = login.filter(|uid| *uid != NO_LOGIN).or_else(effective_user);
    user.map_or_else(
        || "unknown".to_owned(),
        |uid| user_name(uid).unwrap_or_else(|| format!("uid {uid}")),
    )
}

fn effective_user() -> Option<u32> {
    fs::metadata("/proc/self").ok().map(|process| process.uid())
}

fn user_name(uid: u32) -> Option<String> {
    let users = fs::read_to_string("/etc/passwd").ok()?;
    users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let (name, _password, id) = (fields.next()?, fields.next()?, fields.next()?);
        (id.parse() == Ok(uid)).then(|| name.to_owned())
    })
}
