use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use domain::event::NewEvent;
use domain::ids::{BusinessId, ClientId, FamilyId, UserId};
use domain::sessions::{Nonce, PresentedToken, RefreshFamily, RevocationReason};
use domain::time::{self, Timestamp};
use ports::StoreError;
use ports::sessions::{ActiveFamilies, CloseOutcome, REFRESH_FAMILIES, RefreshFamilies, RotationOutcome};
use rusqlite::{Connection, named_params};
use serde::Serialize;

use super::active_families;
use super::family_row::{columns, family};
use crate::database::Database;
use crate::error::SqliteError;
use crate::outbox::Outbox;
use crate::row_codec::{self, integer, to_json};

pub(crate) struct SqliteRefreshFamilies(pub(crate) Arc<Database>);

fn find(connection: &Connection, id: &str) -> Result<Option<RefreshFamily>, SqliteError> {
    row_codec::first(
        connection,
        concat!("SELECT ", columns!(), " FROM refresh_families WHERE key = ?1"),
        [id],
        family,
    )
}

/// Inserts the family. If its id already exists, changes nothing and returns false.
fn insert(connection: &Connection, family: &RefreshFamily) -> Result<bool, SqliteError> {
    fn names<T: Serialize>(names: &[T]) -> Result<Option<String>, SqliteError> {
        let is_stored = !names.is_empty();
        is_stored.then(|| to_json("refresh family", &names)).transpose()
    }
    let ancestors: Vec<&str> = family.origin.ancestors.iter().map(FamilyId::as_str).collect();
    let sql = "INSERT INTO refresh_families (key, user, client_id, business_id, groups, ancestors, epoch, generation, nonce, previous_nonce,
                   rotated_at, absolute_expires_at, idle_expires_at, status, sequence, administrative_groups, sessions_version, started_at)
               VALUES (:family, :user, :client, :business, :groups, :ancestors, :epoch, :generation, :nonce, :previous, :rotated, :absolute, :idle, 'active', 0, :administrative, :sessions_version, :started)
               ON CONFLICT (key) DO NOTHING";
    let parameters = named_params! {
        ":family": family.id.as_str(),
        ":user": family.origin.user.as_str(),
        ":client": family.origin.client.as_str(),
        ":business": family.origin.business.as_ref().map(BusinessId::as_str),
        ":groups": names(&family.origin.groups)?,
        ":ancestors": names(&ancestors)?,
        ":epoch": integer(family.origin.epoch),
        ":generation": integer(family.generation),
        ":nonce": family.nonce.0,
        ":previous": family.previous_nonce.map(|nonce| nonce.0),
        ":rotated": family.rotated_at.as_millisecond(),
        ":absolute": family.absolute_expires_at.as_millisecond(),
        ":idle": family.idle_expires_at.as_millisecond(),
        ":administrative": names(&family.origin.administrative_groups)?,
        ":sessions_version": integer(family.origin.sessions_version),
        ":started": family.started_at.map(Timestamp::as_millisecond),
    };
    Ok(row_codec::execute(connection, sql, parameters)? > 0)
}

/// Rotates the family by one conditional update (docs/protocols.md "Rotation", step 3).
///
/// A and B present T1 at the same time. A's update matches and creates T2. B's update matches no row, because the row
/// has the generation and nonce of T2. So B gets the stored family and checks T1 against it. Both run on the writer
/// thread, so no write comes between B's update and B's read.
fn rotate(
    connection: &Connection,
    presented: &PresentedToken,
    nonce: Nonce,
    now: Timestamp,
    idle_lifetime: Duration,
) -> Result<RotationOutcome, SqliteError> {
    let sql = "UPDATE refresh_families SET previous_nonce = nonce, nonce = :fresh, generation = generation + 1, rotated_at = :now,
                   idle_expires_at = min(:idle, absolute_expires_at)
               WHERE key = :family AND status = 'active' AND generation = :generation AND nonce = :nonce
                   AND client_id = :client AND user = :user AND absolute_expires_at > :now AND idle_expires_at > :now";
    let parameters = named_params! {
        ":fresh": nonce.0,
        ":now": now.as_millisecond(),
        ":idle": time::after(now, idle_lifetime).as_millisecond(),
        ":family": presented.token.family.as_str(),
        ":generation": integer(presented.token.generation),
        ":nonce": presented.token.nonce.0,
        ":client": presented.client.as_str(),
        ":user": presented.user.as_str(),
    };
    if row_codec::execute(connection, sql, parameters)? > 0 {
        return Ok(RotationOutcome::Rotated);
    }
    Ok(
        find(connection, presented.token.family.as_str())?
            .map_or(RotationOutcome::Unknown, RotationOutcome::Superseded),
    )
}

/// Closes the family by one conditional update (docs/protocols.md "Closing"). It matches the current token, and the
/// previous one within the grace time. With `max(…, 0)`, a `now` before `rotated_at` counts as within the grace time: B
/// may have read its clock before A rotated.
fn close(
    connection: &Connection,
    presented: &PresentedToken,
    now: Timestamp,
    grace: Duration,
) -> Result<CloseOutcome, SqliteError> {
    let sql = "UPDATE refresh_families SET status = 'closed', closed_generation = :generation, closed_at = :now
               WHERE key = :family AND status = 'active' AND client_id = :client AND user = :user
                   AND absolute_expires_at > :now AND idle_expires_at > :now
                   AND ((generation = :generation AND nonce = :nonce)
                        OR (generation = :generation + 1 AND previous_nonce = :nonce AND max(:now - rotated_at, 0) < :grace))";
    let parameters = named_params! {
        ":generation": integer(presented.token.generation),
        ":now": now.as_millisecond(),
        ":family": presented.token.family.as_str(),
        ":client": presented.client.as_str(),
        ":user": presented.user.as_str(),
        ":nonce": presented.token.nonce.0,
        ":grace": i64::try_from(grace.as_millis()).unwrap_or(i64::MAX),
    };
    if row_codec::execute(connection, sql, parameters)? > 0 {
        return Ok(CloseOutcome::Closed);
    }
    Ok(find(connection, presented.token.family.as_str())?.map_or(CloseOutcome::Unknown, CloseOutcome::NotMatched))
}

/// Revokes the family and pushes its event. Changes nothing and returns false if the family does not exist, is already
/// revoked, or is closed and the reason does not end closed families.
fn revoke(connection: &Connection, id: &str, reason: RevocationReason, event: NewEvent) -> Result<bool, SqliteError> {
    let sql = "UPDATE refresh_families SET status = 'revoked', revoked_reason = ?2
               WHERE key = ?1 AND (status = 'active' OR (?3 AND status = 'closed'))";
    if row_codec::execute(connection, sql, (id, reason.as_str(), reason.ends_closed_families()))? == 0 {
        return Ok(false);
    }
    push(connection, id, event)?;
    Ok(true)
}

/// Raises the sessions version of an active family.
fn stamp(connection: &Connection, id: &str, sessions_version: u64) -> Result<(), SqliteError> {
    let sql = "UPDATE refresh_families SET sessions_version = ?2
               WHERE key = ?1 AND status = 'active' AND sessions_version < ?2";
    row_codec::execute(connection, sql, (id, integer(sessions_version))).map(drop)
}

/// Pushes an event. A family has only two events, its start and its revocation, so its outbox is never full.
fn push(connection: &Connection, id: &str, event: NewEvent) -> Result<(), SqliteError> {
    let mut outbox = Outbox::read(connection, REFRESH_FAMILIES.name, id)?.unwrap_or_else(Outbox::empty);
    outbox.push(connection, vec![event])?;
    outbox.save(connection, REFRESH_FAMILIES.name, id)
}

#[async_trait]
impl RefreshFamilies for SqliteRefreshFamilies {
    async fn find(&self, id: &FamilyId) -> Result<Option<RefreshFamily>, StoreError> {
        self.0.read(|connection| find(connection, id.as_str()))
    }

    async fn read_linearizable(&self, id: &FamilyId) -> Result<Option<RefreshFamily>, StoreError> {
        // Every read of the file sees all that is committed.
        self.find(id).await
    }

    async fn read_after_write(&self, id: &FamilyId) -> Result<Option<RefreshFamily>, StoreError> {
        self.find(id).await
    }

    async fn start(&self, family: &RefreshFamily, event: NewEvent) -> Result<bool, StoreError> {
        let family = family.clone();
        let start = self.0.write(move |connection| {
            let is_new = insert(connection, &family)?;
            if is_new {
                push(connection, family.id.as_str(), event)?;
            }
            Ok(is_new)
        });
        let is_new = start.await?;
        self.0.notify_event();
        Ok(is_new)
    }

    async fn rotate(
        &self,
        presented: &PresentedToken,
        nonce: Nonce,
        now: Timestamp,
        idle_lifetime: Duration,
    ) -> Result<RotationOutcome, StoreError> {
        let presented = presented.clone();
        self.0
            .write(move |connection| rotate(connection, &presented, nonce, now, idle_lifetime))
            .await
    }

    async fn close(
        &self,
        presented: &PresentedToken,
        now: Timestamp,
        grace: Duration,
    ) -> Result<CloseOutcome, StoreError> {
        let presented = presented.clone();
        self.0
            .write(move |connection| close(connection, &presented, now, grace))
            .await
    }

    async fn list_active(
        &self,
        families: &ActiveFamilies,
        after: Option<&FamilyId>,
        limit: usize,
    ) -> Result<Vec<RefreshFamily>, StoreError> {
        let (families, after) = (families.clone(), after.cloned());
        let list = move |connection: &Connection| active_families::list(connection, &families, after.as_ref(), limit);
        self.0.scan(list).await
    }

    async fn find_least_recent(
        &self,
        families: &ActiveFamilies,
        client: &ClientId,
        kept: usize,
        limit: usize,
    ) -> Result<Vec<RefreshFamily>, StoreError> {
        self.0
            .read(|connection| active_families::least_recent(connection, families, client, (kept, limit)))
    }

    async fn stamp(&self, id: &FamilyId, sessions_version: u64) -> Result<(), StoreError> {
        let id = id.to_string();
        self.0
            .write(move |connection| stamp(connection, &id, sessions_version))
            .await
    }

    async fn revoke(&self, id: &FamilyId, reason: RevocationReason, event: NewEvent) -> Result<bool, StoreError> {
        let id = id.to_string();
        let is_revoked = self
            .0
            .write(move |connection| revoke(connection, &id, reason, event))
            .await?;
        if is_revoked {
            self.0.notify_event();
        }
        Ok(is_revoked)
    }

    async fn erase_user(&self, user: &UserId, limit: usize) -> Result<bool, StoreError> {
        let user = user.to_string();
        self.0
            .write(move |connection| {
                let sql = "DELETE FROM refresh_families WHERE key IN (
                               SELECT key FROM refresh_families WHERE user = ?1 AND outbox_pending = 0 LIMIT ?2)";
                row_codec::execute(connection, sql, (&user, integer(limit as u64)))?;
                let sql = "SELECT 1 FROM refresh_families WHERE user = ?1 LIMIT 1";
                Ok(row_codec::first(connection, sql, [&user], |_| Ok(()))?.is_some())
            })
            .await
    }
}
