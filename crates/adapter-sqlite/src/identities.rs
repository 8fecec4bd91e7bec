use std::sync::Arc;

use async_trait::async_trait;
use domain::event::NewEvent;
use domain::identity::Identity;
use domain::ids::UserId;
use domain::removal::{PendingRemoval, RemovalPart};
use ports::{IDENTITIES, Identities, IdentitySaveOutcome, RemovalOutcome, StoreError};
use rusqlite::{Connection, Row};
use stored_forms::IdentityForm;

use crate::database::Database;
use crate::error::SqliteError;
use crate::outbox::Outbox;
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

/// The row under a user id.
enum StoredUser {
    Absent,
    Present,
    /// The user was removed. The parts are those that are not erased yet.
    Removed(Vec<RemovalPart>),
}

impl StoredUser {
    fn find(connection: &Connection, id: &str) -> Result<Self, SqliteError> {
        let sql = "SELECT key, removal FROM identities WHERE key = ?1";
        let found = row_codec::first(connection, sql, [id], |row| {
            let row = Reader::new("identity", row);
            let removal: Option<String> = row.column(1)?;
            Ok(match removal {
                Some(_) => Self::Removed(parts(&row, 1)?),
                None => Self::Present,
            })
        })?;
        Ok(found.unwrap_or(Self::Absent))
    }
}

fn parts(row: &Reader<'_, '_>, column: usize) -> Result<Vec<RemovalPart>, SqliteError> {
    let names: Vec<String> = row.json(column)?;
    let part = |name: String| RemovalPart::parse(&name).ok_or_else(|| row.corrupt("removal"));
    names.into_iter().map(part).collect()
}

fn to_names(parts: &[RemovalPart]) -> Result<String, SqliteError> {
    let names: Vec<_> = parts.iter().map(|part| part.as_str()).collect();
    to_json("removal", &names)
}

fn save(connection: &Connection, identity: &Identity, is_new: bool) -> Result<IdentitySaveOutcome, SqliteError> {
    let id = identity.id.as_str();
    let stored = StoredUser::find(connection, id)?;
    if let StoredUser::Removed(parts) = &stored
        && !(is_new && parts.is_empty())
    {
        return Ok(IdentitySaveOutcome::Removed);
    }
    if let Some(by) = find_other_login_owner(connection, identity)? {
        return Ok(IdentitySaveOutcome::LoginTaken { by });
    }
    if is_new && matches!(stored, StoredUser::Present) {
        return Ok(IdentitySaveOutcome::IdTaken);
    }
    delete_logins(connection, id)?;
    for login in identity.logins() {
        row_codec::execute(
            connection,
            "INSERT OR REPLACE INTO logins (login, user_id) VALUES (?1, ?2)",
            (login, id),
        )?;
    }
    let document = to_json("identity", &IdentityForm::from(identity))?;
    let sql = "INSERT INTO identities (key, document) VALUES (?1, ?2)
               ON CONFLICT (key) DO UPDATE SET document = excluded.document, removal = NULL";
    row_codec::execute(connection, sql, (id, document))?;
    Ok(IdentitySaveOutcome::Saved)
}

fn delete_logins(connection: &Connection, id: &str) -> Result<(), SqliteError> {
    row_codec::execute(connection, "DELETE FROM logins WHERE user_id = ?1", [id]).map(drop)
}

fn remove(connection: &Connection, id: &str, event: NewEvent) -> Result<RemovalOutcome, SqliteError> {
    let StoredUser::Present = StoredUser::find(connection, id)? else {
        return Ok(RemovalOutcome::NotFound);
    };
    let mut outbox = Outbox::read(connection, IDENTITIES.name, id)?.unwrap_or_else(Outbox::empty);
    if !outbox.push(connection, vec![event])? {
        return Ok(RemovalOutcome::OutboxFull);
    }
    let sql = "UPDATE identities SET document = '{}', removal = ?2 WHERE key = ?1";
    row_codec::execute(connection, sql, (id, to_names(&RemovalPart::ALL)?))?;
    delete_logins(connection, id)?;
    outbox.save(connection, IDENTITIES.name, id)?;
    Ok(RemovalOutcome::Removed)
}

fn finish_removal(connection: &Connection, id: &str, part: RemovalPart) -> Result<(), SqliteError> {
    let StoredUser::Removed(mut parts) = StoredUser::find(connection, id)? else {
        return Ok(());
    };
    parts.retain(|pending| *pending != part);
    let sql = "UPDATE identities SET removal = ?2 WHERE key = ?1";
    row_codec::execute(connection, sql, (id, to_names(&parts)?)).map(drop)
}

#[async_trait]
impl Identities for SqliteIdentities {
    async fn find(&self, id: &UserId) -> Result<Option<Identity>, StoreError> {
        let sql = "SELECT key, document FROM identities WHERE key = ?1 AND removal IS NULL";
        self.0
            .read(|connection| row_codec::first(connection, sql, [id.as_str()], identity))
    }

    async fn find_by_login(&self, login: &str) -> Result<Option<Identity>, StoreError> {
        let sql = "SELECT i.key, i.document FROM logins l JOIN identities i ON i.key = l.user_id
                   WHERE l.login = ?1 AND i.removal IS NULL";
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

    async fn remove(&self, id: &UserId, event: NewEvent) -> Result<RemovalOutcome, StoreError> {
        let id = id.to_string();
        let removal = self.0.write(move |connection| remove(connection, &id, event));
        let outcome = removal.await?;
        if outcome == RemovalOutcome::Removed {
            self.0.notify_event();
        }
        Ok(outcome)
    }

    async fn pending_removals(&self, after: Option<&UserId>, limit: usize) -> Result<Vec<PendingRemoval>, StoreError> {
        let after = after.map(ToString::to_string).unwrap_or_default();
        // The condition is the one of the partial index, so that SQLite uses it.
        let sql = "SELECT key, removal FROM identities WHERE removal IS NOT NULL AND removal <> '[]' AND key > ?1
                   ORDER BY key LIMIT ?2";
        self.0.read(|connection| {
            row_codec::all(connection, sql, (after, integer(limit as u64)), |row| {
                let row = Reader::new("removal", row);
                Ok(PendingRemoval {
                    user: row.parse(0, UserId::parse)?,
                    parts: parts(&row, 1)?,
                })
            })
        })
    }

    async fn release_logins(&self, id: &UserId) -> Result<(), StoreError> {
        let id = id.to_string();
        self.0
            .write(move |connection| match StoredUser::find(connection, &id)? {
                StoredUser::Removed(_) => delete_logins(connection, &id),
                StoredUser::Present | StoredUser::Absent => Ok(()),
            })
            .await
    }

    async fn finish_removal(&self, id: &UserId, part: RemovalPart) -> Result<(), StoreError> {
        let id = id.to_string();
        self.0
            .write(move |connection| finish_removal(connection, &id, part))
            .await
    }

    async fn page(&self, after: Option<&UserId>, limit: usize) -> Result<Vec<Identity>, StoreError> {
        let after = after.map(ToString::to_string).unwrap_or_default();
        let sql = "SELECT key, document FROM identities WHERE key > ?1 AND removal IS NULL ORDER BY key LIMIT ?2";
        self.0
            .scan(move |connection| row_codec::all(connection, sql, (after, integer(limit as u64)), identity))
            .await
    }
}
