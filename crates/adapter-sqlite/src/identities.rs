use std::sync::Arc;

use async_trait::async_trait;
use domain::identity::Identity;
use domain::ids::UserId;
use ports::{Identities, IdentitySaveOutcome, StoreError};
use rusqlite::{Connection, Row};
use stored_forms::IdentityForm;

use crate::database::Database;
use crate::error::SqliteError;
use crate::row_codec::{self, Reader, integer, to_json};

pub(crate) struct SqliteIdentities(pub(crate) Arc<Database>);

/// Reads an identity from a row whose first two columns are the user id and the document.
pub(crate) fn identity(row: &Row<'_>) -> Result<Identity, SqliteError> {
    let row = Reader::new("identity", row);
    let (id, form): (String, IdentityForm) = (row.column(0)?, row.json(1)?);
    form.read(&id).map_err(|error| row.corrupt(error.0))
}

/// Returns another user that has one of the identity's logins, if there is one.
fn find_other_login_owner(connection: &Connection, identity: &Identity) -> Result<Option<UserId>, SqliteError> {
    for login in identity.logins() {
        let sql = "SELECT user_id FROM logins WHERE login = ?1 AND user_id <> ?2";
        let owner = row_codec::first(connection, sql, (&login, identity.id.as_str()), |row| {
            Reader::new("login", row).parse("user_id", UserId::parse)
        })?;
        if owner.is_some() {
            return Ok(owner);
        }
    }
    Ok(None)
}

fn save(connection: &Connection, identity: &Identity, is_new: bool) -> Result<IdentitySaveOutcome, SqliteError> {
    let id = identity.id.as_str();
    if let Some(by) = find_other_login_owner(connection, identity)? {
        return Ok(IdentitySaveOutcome::LoginTaken { by });
    }
    let exists = row_codec::first(
        connection,
        "SELECT user_id FROM identities WHERE user_id = ?1",
        [id],
        |_| Ok(()),
    )?
    .is_some();
    if exists && is_new {
        return Ok(IdentitySaveOutcome::IdTaken);
    }
    if exists {
        remove_logins(connection, id)?;
    }
    for login in identity.logins() {
        row_codec::execute(
            connection,
            "INSERT OR REPLACE INTO logins (login, user_id) VALUES (?1, ?2)",
            (login, id),
        )?;
    }
    let document = to_json("identity", &IdentityForm::from(identity))?;
    let sql = "INSERT INTO identities (user_id, document) VALUES (?1, ?2) ON CONFLICT (user_id) DO UPDATE SET document = excluded.document";
    row_codec::execute(connection, sql, (id, document))?;
    Ok(IdentitySaveOutcome::Saved)
}

/// Removes the logins that the user's stored document names, because `logins` has no index by user.
fn remove_logins(connection: &Connection, id: &str) -> Result<(), SqliteError> {
    let sql = "SELECT user_id, document FROM identities WHERE user_id = ?1";
    if let Some(stored) = row_codec::first(connection, sql, [id], identity)? {
        for login in stored.logins() {
            row_codec::execute(
                connection,
                "DELETE FROM logins WHERE login = ?1 AND user_id = ?2",
                (login, id),
            )?;
        }
    }
    Ok(())
}

#[async_trait]
impl Identities for SqliteIdentities {
    async fn find(&self, id: &UserId) -> Result<Option<Identity>, StoreError> {
        let sql = "SELECT user_id, document FROM identities WHERE user_id = ?1";
        self.0
            .read(|connection| row_codec::first(connection, sql, [id.as_str()], identity))
    }

    async fn find_by_login(&self, login: &str) -> Result<Option<Identity>, StoreError> {
        let sql =
            "SELECT i.user_id, i.document FROM logins l JOIN identities i ON i.user_id = l.user_id WHERE l.login = ?1";
        self.0
            .read(|connection| row_codec::first(connection, sql, [login], identity))
    }

    async fn create(&self, identity: &Identity) -> Result<IdentitySaveOutcome, StoreError> {
        let identity = identity.clone();
        self.0.write(move |connection| save(connection, &identity, true)).await
    }

    async fn replace(&self, identity: &Identity) -> Result<IdentitySaveOutcome, StoreError> {
        let identity = identity.clone();
        self.0.write(move |connection| save(connection, &identity, false)).await
    }

    async fn remove(&self, id: &UserId) -> Result<bool, StoreError> {
        let id = id.to_string();
        self.0
            .write(move |connection| {
                remove_logins(connection, &id)?;
                Ok(row_codec::execute(connection, "DELETE FROM identities WHERE user_id = ?1", [&id])? > 0)
            })
            .await
    }

    async fn page(&self, after: Option<&UserId>, limit: usize) -> Result<Vec<Identity>, StoreError> {
        let after = after.map(ToString::to_string).unwrap_or_default();
        let sql = "SELECT user_id, document FROM identities WHERE user_id > ?1 ORDER BY user_id LIMIT ?2";
        self.0
            .scan(move |connection| row_codec::all(connection, sql, (after, integer(limit as u64)), identity))
            .await
    }
}
