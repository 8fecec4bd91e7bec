//! Reads the row of a refresh token family.

use domain::ids::{BusinessId, ClientId, FamilyId, UserId};
use domain::sessions::{Closure, FamilyStatus, Nonce, Origin, RefreshFamily, RevocationReason};
use rusqlite::Row;

use crate::error::SqliteError;
use crate::row_codec::Reader;

/// The columns that [`family`] reads.
macro_rules! columns {
    () => {
        "key, user, client_id, business_id, groups, ancestors, epoch, generation, nonce, previous_nonce, rotated_at, \
         absolute_expires_at, idle_expires_at, status, closed_generation, closed_at, revoked_reason, \
         administrative_groups, sessions_version, started_at"
    };
}

pub(super) use columns;

/// The index of each column in [`columns!`]. Every renewal reads this row twice, and a read by name compares the names
/// of all columns.
mod column {
    pub(super) const FAMILY: usize = 0;
    pub(super) const USER: usize = 1;
    pub(super) const CLIENT: usize = 2;
    pub(super) const BUSINESS: usize = 3;
    pub(super) const GROUPS: usize = 4;
    pub(super) const ANCESTORS: usize = 5;
    pub(super) const EPOCH: usize = 6;
    pub(super) const GENERATION: usize = 7;
    pub(super) const NONCE: usize = 8;
    pub(super) const PREVIOUS_NONCE: usize = 9;
    pub(super) const ROTATED_AT: usize = 10;
    pub(super) const ABSOLUTE_EXPIRES_AT: usize = 11;
    pub(super) const IDLE_EXPIRES_AT: usize = 12;
    pub(super) const STATUS: usize = 13;
    pub(super) const CLOSED_GENERATION: usize = 14;
    pub(super) const CLOSED_AT: usize = 15;
    pub(super) const REVOKED_REASON: usize = 16;
    pub(super) const ADMINISTRATIVE_GROUPS: usize = 17;
    pub(super) const SESSIONS_VERSION: usize = 18;
    pub(super) const STARTED_AT: usize = 19;
}

pub(super) fn family(row: &Row<'_>) -> Result<RefreshFamily, SqliteError> {
    let row = Reader::new("refresh family", row);
    let corrupt = |error| row.corrupt(error);
    let business: Option<String> = row.column(column::BUSINESS)?;
    let previous_nonce: Option<[u8; 16]> = row.column(column::PREVIOUS_NONCE)?;
    Ok(RefreshFamily {
        id: row.parse(column::FAMILY, FamilyId::parse)?,
        origin: Origin {
            user: row.parse(column::USER, UserId::parse)?,
            client: row.parse(column::CLIENT, ClientId::parse)?,
            business: business.map(BusinessId::parse).transpose().map_err(corrupt)?,
            groups: names(&row, column::GROUPS)?,
            ancestors: ancestors(&row)?,
            epoch: row.count(column::EPOCH)?,
            sessions_version: row.count(column::SESSIONS_VERSION)?,
            administrative_groups: names(&row, column::ADMINISTRATIVE_GROUPS)?,
        },
        generation: row.count(column::GENERATION)?,
        nonce: Nonce(row.column(column::NONCE)?),
        previous_nonce: previous_nonce.map(Nonce),
        started_at: row.optional_time(column::STARTED_AT)?,
        rotated_at: row.time(column::ROTATED_AT)?,
        absolute_expires_at: row.time(column::ABSOLUTE_EXPIRES_AT)?,
        idle_expires_at: row.time(column::IDLE_EXPIRES_AT)?,
        status: status(&row)?,
    })
}

/// Reads a list of names or ids. An empty list is stored as null.
fn names(row: &Reader<'_, '_>, column: usize) -> Result<Vec<String>, SqliteError> {
    let stored: Option<String> = row.column(column)?;
    stored.map_or_else(|| Ok(Vec::new()), |_| row.json(column))
}

fn ancestors(row: &Reader<'_, '_>) -> Result<Vec<FamilyId>, SqliteError> {
    let ids = names(row, column::ANCESTORS)?.into_iter().map(FamilyId::parse);
    ids.collect::<Result<_, _>>().map_err(|error| row.corrupt(error))
}

fn status(row: &Reader<'_, '_>) -> Result<FamilyStatus, SqliteError> {
    let status: String = row.column(column::STATUS)?;
    match status.as_str() {
        "active" => Ok(FamilyStatus::Active),
        "closed" => Ok(FamilyStatus::Closed(Closure {
            generation: row.count(column::CLOSED_GENERATION)?,
            at: row.time(column::CLOSED_AT)?,
        })),
        "revoked" => {
            let reason: String = row.column(column::REVOKED_REASON)?;
            let reason = RevocationReason::parse(&reason).ok_or_else(|| row.corrupt("revoked reason"))?;
            Ok(FamilyStatus::Revoked(reason))
        }
        _ => Err(row.corrupt("status")),
    }
}
