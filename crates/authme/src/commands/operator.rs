//! Who runs a command, as the operating system knows it.

use std::fs;
use std::os::unix::fs::MetadataExt as _;

/// The value of `loginuid` in a process that no login started.
const NO_LOGIN: u32 = u32::MAX;

/// The name of the user who logged in, whom `su` and `sudo` do not change, else of the user the process runs as. No
/// environment variable is asked: anybody can set one.
pub(super) fn name() -> String {
    let login = fs::read_to_string("/proc/self/loginuid");
    let login = login.ok().and_then(|text| text.trim().parse().ok());
    let user = login.filter(|uid| *uid != NO_LOGIN).or_else(effective_user);
    user.map_or_else(
        || "unknown".to_owned(),
        |uid| name_of(uid).unwrap_or_else(|| format!("uid {uid}")),
    )
}

fn effective_user() -> Option<u32> {
    fs::metadata("/proc/self").ok().map(|process| process.uid())
}

fn name_of(uid: u32) -> Option<String> {
    let users = fs::read_to_string("/etc/passwd").ok()?;
    users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let (name, _password, id) = (fields.next()?, fields.next()?, fields.next()?);
        (id.parse() == Ok(uid)).then(|| name.to_owned())
    })
}
