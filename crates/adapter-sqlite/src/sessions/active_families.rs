//! The searches for the sessions of a user that can be renewed. The partial index on the user serves both.

use domain::ids::{ClientId, FamilyId};
use domain::sessions::RefreshFamily;
use ports::sessions::ActiveFamilies;
use rusqlite::{Connection, named_params};

use super::family_row::{columns, family};
use crate::error::SqliteError;
use crate::row_codec::{self, integer};

/// The condition of [`ActiveFamilies`].
macro_rules! is_active {
    () => {
        "user = :user AND status = 'active' AND absolute_expires_at > :at AND idle_expires_at > :at AND epoch = :epoch \
         AND (sessions_version = :version OR key = :kept)"
    };
}

/// Returns a page of the families, in the order of their keys.
pub(super) fn list(
    connection: &Connection,
    families: &ActiveFamilies,
    after: Option<&FamilyId>,
    limit: usize,
) -> Result<Vec<RefreshFamily>, SqliteError> {
    let sql = concat!(
        "SELECT ",
        columns!(),
        " FROM refresh_families INDEXED BY refresh_families_user WHERE ",
        is_active!(),
        " AND key > :after ORDER BY key LIMIT :limit"
    );
    let parameters = named_params! {
        ":user": families.user.as_str(),
        ":at": families.at.as_millisecond(),
        ":epoch": integer(families.epoch),
        ":version": integer(families.sign_in.sessions_version),
        ":kept": families.sign_in.kept_session.as_ref().map(FamilyId::as_str),
        ":after": after.map_or("", FamilyId::as_str),
        ":limit": integer(limit as u64),
    };
    row_codec::all(connection, sql, parameters, family)
}

/// Returns at most `limit` families of the client besides the `kept` most recently rotated ones.
pub(super) fn least_recent(
    connection: &Connection,
    families: &ActiveFamilies,
    client: &ClientId,
    (kept, limit): (usize, usize),
) -> Result<Vec<RefreshFamily>, SqliteError> {
    let sql = concat!(
        "SELECT ",
        columns!(),
        " FROM refresh_families INDEXED BY refresh_families_user WHERE ",
        is_active!(),
        " AND client_id = :client ORDER BY rotated_at DESC LIMIT :limit OFFSET :kept_count"
    );
    let parameters = named_params! {
        ":user": families.user.as_str(),
        ":at": families.at.as_millisecond(),
        ":epoch": integer(families.epoch),
        ":version": integer(families.sign_in.sessions_version),
        ":kept": families.sign_in.kept_session.as_ref().map(FamilyId::as_str),
        ":client": client.as_str(),
        ":limit": integer(limit as u64),
        ":kept_count": integer(kept as u64),
    };
    row_codec::all(connection, sql, parameters, family)
}
