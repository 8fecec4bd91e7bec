use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use domain::event::NewEvent;
use domain::ids::{BusinessId, ClientId, FamilyId, UserId};
use domain::time::{self, Timestamp};
use domain::tokens::{Closing, FamilyStatus, Nonce, Origin, Presented, RefreshFamily, RevocationReason};
use ports::tokens::{Closed, RefreshFamilies, Rotation};
use ports::{Aggregate, StoreFailure};
use rusqlite::{Connection, Row, named_params};

use crate::database::Database;
use crate::fault::Fault;
use crate::outbox::Outbox;
use crate::rows::{self, Reader, integer, to_json};

pub(crate) struct SqliteRefreshFamilies(pub(crate) Arc<Database>);

macro_rules! columns {
    () => {
        "family_id, user_id, client_id, business_id, groups, root_id, epoch, generation, nonce, previous_nonce, rotated_at, \
         absolute_expires_at, idle_expires_at, status, closed_generation, closed_at, revoked_reason"
    };
}

fn family(row: &Row<'_>) -> Result<RefreshFamily, Fault> {
    let row = Reader::new("refresh family", row, "family_id");
    let corrupt = |error| row.corrupt(error);
    let business: Option<String> = row.column("business_id")?;
    let groups: Option<String> = row.column("groups")?;
    let previous_nonce: Option<[u8; 16]> = row.column("previous_nonce")?;
    Ok(RefreshFamily {
        id: row.parsed("family_id", FamilyId::parse)?,
        origin: Origin {
            user: row.parsed("user_id", UserId::parse)?,
            client: row.parsed("client_id", ClientId::parse)?,
            business: business.map(BusinessId::parse).transpose().map_err(corrupt)?,
            groups: if groups.is_some() {
                row.json("groups")?
            } else {
                Vec::new()
            },
            root: row.parsed("root_id", FamilyId::parse)?,
            epoch: row.count("epoch")?,
        },
        generation: row.count("generation")?,
        nonce: Nonce(row.column("nonce")?),
        previous_nonce: previous_nonce.map(Nonce),
        rotated_at: row.time("rotated_at")?,
        absolute_expires_at: row.time("absolute_expires_at")?,
        idle_expires_at: row.time("idle_expires_at")?,
        status: status(&row)?,
    })
}

fn status(row: &Reader<'_, '_>) -> Result<FamilyStatus, Fault> {
    let status: String = row.column("status")?;
    match status.as_str() {
        "active" => Ok(FamilyStatus::Active),
        "closed" => Ok(FamilyStatus::Closed(Closing {
            generation: row.count("closed_generation")?,
            at: row.time("closed_at")?,
        })),
        "revoked" => {
            let reason: String = row.column("revoked_reason")?;
            let reason = RevocationReason::parse(&reason).ok_or_else(|| row.corrupt("revoked reason"))?;
            Ok(FamilyStatus::Revoked(reason))
        }
        _ => Err(row.corrupt("status")),
    }
}

fn find(connection: &Connection, id: &str) -> Result<Option<RefreshFamily>, Fault> {
    rows::first(
        connection,
        concat!("SELECT ", columns!(), " FROM refresh_families WHERE family_id = ?1"),
        [id],
        family,
    )
}

fn insert(connection: &Connection, family: &RefreshFamily) -> Result<(), Fault> {
    let groups = &family.origin.groups;
    let sql = "INSERT INTO refresh_families (family_id, user_id, client_id, business_id, groups, root_id, epoch, generation, nonce, previous_nonce,
                   rotated_at, absolute_expires_at, idle_expires_at, status, sequence)
               VALUES (:family, :user, :client, :business, :groups, :root, :epoch, :generation, :nonce, :previous, :rotated, :absolute, :idle, 'active', 0)";
    let parameters = named_params! {
        ":family": family.id.as_str(),
        ":user": family.origin.user.as_str(),
        ":client": family.origin.client.as_str(),
        ":business": family.origin.business.as_ref().map(BusinessId::as_str),
        ":groups": (!groups.is_empty()).then(|| to_json("refresh family", groups)).transpose()?,
        ":root": family.origin.root.as_str(),
        ":epoch": integer(family.origin.epoch),
        ":generation": integer(family.generation),
        ":nonce": family.nonce.0,
        ":previous": family.previous_nonce.map(|nonce| nonce.0),
        ":rotated": family.rotated_at.as_millisecond(),
        ":absolute": family.absolute_expires_at.as_millisecond(),
        ":idle": family.idle_expires_at.as_millisecond(),
    };
    rows::execute(connection, sql, parameters).map(drop)
}

/// The compare-and-swap of 03-protocols 1: the condition stands in the update itself.
fn rotate(
    connection: &Connection,
    presented: &Presented,
    nonce: Nonce,
    now: Timestamp,
    idle_lifetime: Duration,
) -> Result<Rotation, Fault> {
    let sql = concat!(
        "UPDATE refresh_families SET previous_nonce = nonce, nonce = :fresh, generation = generation + 1, rotated_at = :now,
             idle_expires_at = min(:idle, absolute_expires_at)
         WHERE family_id = :family AND status = 'active' AND generation = :generation AND nonce = :nonce
             AND client_id = :client AND user_id = :user AND absolute_expires_at > :now AND idle_expires_at > :now
         RETURNING ",
        columns!()
    );
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
    if let Some(rotated) = rows::first(connection, sql, parameters, family)? {
        return Ok(Rotation::Rotated(rotated));
    }
    Ok(find(connection, presented.token.family.as_str())?.map_or(Rotation::Unknown, Rotation::Superseded))
}

fn close(connection: &Connection, presented: &Presented, now: Timestamp, grace: Duration) -> Result<Closed, Fault> {
    let sql = "UPDATE refresh_families SET status = 'closed', closed_generation = :generation, closed_at = :now
               WHERE family_id = :family AND status = 'active' AND client_id = :client AND user_id = :user
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
    if rows::execute(connection, sql, parameters)? > 0 {
        return Ok(Closed::Closed);
    }
    Ok(find(connection, presented.token.family.as_str())?.map_or(Closed::Unknown, Closed::NotMatched))
}

fn revoke(connection: &Connection, id: &str, reason: RevocationReason, event: NewEvent) -> Result<bool, Fault> {
    let sql = "UPDATE refresh_families SET status = 'revoked', revoked_reason = ?2 WHERE family_id = ?1 AND status = 'active'";
    if rows::execute(connection, sql, (id, reason.as_str()))? == 0 {
        return Ok(false);
    }
    push(connection, id, event)?;
    Ok(true)
}

/// A family has two events in its life, so its outbox is never full.
fn push(connection: &Connection, id: &str, event: NewEvent) -> Result<(), Fault> {
    let mut outbox = Outbox::read(connection, Aggregate::RefreshFamily, id)?.unwrap_or_else(Outbox::empty);
    outbox.push(vec![event]);
    outbox.save(connection, Aggregate::RefreshFamily, id)
}

#[async_trait]
impl RefreshFamilies for SqliteRefreshFamilies {
    async fn find(&self, id: &FamilyId) -> Result<Option<RefreshFamily>, StoreFailure> {
        self.0.read(|connection| find(connection, id.as_str()))
    }

    async fn start(&self, family: &RefreshFamily, event: NewEvent) -> Result<(), StoreFailure> {
        let family = family.clone();
        let started = self.0.write(move |connection| {
            insert(connection, &family)?;
            push(connection, family.id.as_str(), event)
        });
        started.await?;
        self.0.event_pushed();
        Ok(())
    }

    async fn rotate(
        &self,
        presented: &Presented,
        nonce: Nonce,
        now: Timestamp,
        idle_lifetime: Duration,
    ) -> Result<Rotation, StoreFailure> {
        let presented = presented.clone();
        self.0
            .write(move |connection| rotate(connection, &presented, nonce, now, idle_lifetime))
            .await
    }

    async fn close(&self, presented: &Presented, now: Timestamp, grace: Duration) -> Result<Closed, StoreFailure> {
        let presented = presented.clone();
        self.0
            .write(move |connection| close(connection, &presented, now, grace))
            .await
    }

    async fn revoke(&self, id: &FamilyId, reason: RevocationReason, event: NewEvent) -> Result<bool, StoreFailure> {
        let id = id.to_string();
        let revoked = self
            .0
            .write(move |connection| revoke(connection, &id, reason, event))
            .await?;
        if revoked {
            self.0.event_pushed();
        }
        Ok(revoked)
    }
}
