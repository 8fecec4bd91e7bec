//! The base of a store: the number that a restore raises.
//!
//! A backup takes the store back in time. A user is locked at epoch 5 and unlocked, the store is lost, and the backup has
//! epoch 3. Without a base, a token of epoch 3 that the lock had ended would be active again. A restore therefore sets
//! the base to a number above every epoch, sequence and cursor that the lost store can have reached: the time in
//! microseconds. From then on
//!
//! - no user and no client has an epoch below the base, so every token and session from before is inactive;
//! - every new event has a sequence and a cursor above the base, so no consumer takes it for one that it has seen.
//!
//! The base stays below 2^53 until the year 2255, so it is exact in every JSON parser.

use rusqlite::Connection;

use crate::error::SqliteError;
use crate::row_codec::{self, Reader};

/// Returns the base; 0 in a store that was never restored.
pub(crate) fn read(connection: &Connection) -> Result<u64, SqliteError> {
    let sql = "SELECT base FROM store_base";
    let base = row_codec::first(connection, sql, [], |row| Reader::new("store_base", row).count(0))?;
    Ok(base.unwrap_or_default())
}
