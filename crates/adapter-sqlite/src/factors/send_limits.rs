use std::sync::Arc;

use async_trait::async_trait;
use domain::factors::{SendLimit, SendLimitKey};
use domain::time::{self, Timestamp};
use ports::StoreFailure;
use ports::factors::{SendCharge, SendLimits};
use rusqlite::{Connection, named_params};

use crate::database::Database;
use crate::fault::Fault;
use crate::rows::{self, Reader};

pub(crate) struct SqliteSendLimits(pub(crate) Arc<Database>);

/// The whole condition stands in the one statement: a window begins, goes on or rolls over, or nothing changes.
fn charge(connection: &Connection, key: &str, limit: SendLimit, now: Timestamp) -> Result<SendCharge, Fault> {
    let sql = "INSERT INTO send_limits (key, used, window_ends_at) VALUES (:key, 1, :end)
               ON CONFLICT (key) DO UPDATE SET
                   used = CASE WHEN window_ends_at <= :now THEN 1 ELSE used + 1 END,
                   window_ends_at = CASE WHEN window_ends_at <= :now THEN excluded.window_ends_at ELSE window_ends_at END
               WHERE window_ends_at <= :now OR used < :most";
    let end = time::after(now, limit.window);
    let parameters = named_params! {
        ":key": key,
        ":end": end.as_millisecond(),
        ":now": now.as_millisecond(),
        ":most": limit.most,
    };
    if rows::execute(connection, sql, parameters)? > 0 {
        return Ok(SendCharge::Charged);
    }
    let sql = "SELECT key, window_ends_at FROM send_limits WHERE key = ?1";
    let until = rows::first(connection, sql, [key], |row| Reader::new("send limit", row).time(1))?;
    Ok(SendCharge::Exhausted {
        until: until.unwrap_or(end),
    })
}

/// What is full until when; else there is room.
fn look(connection: &Connection, key: &str, limit: SendLimit, now: Timestamp) -> Result<SendCharge, Fault> {
    let sql = "SELECT key, window_ends_at FROM send_limits
               WHERE key = :key AND window_ends_at > :now AND used >= :most";
    let parameters = named_params! { ":key": key, ":now": now.as_millisecond(), ":most": limit.most };
    let until = rows::first(connection, sql, parameters, |row| {
        Reader::new("send limit", row).time(1)
    })?;
    Ok(until.map_or(SendCharge::Charged, |until| SendCharge::Exhausted { until }))
}

#[async_trait]
impl SendLimits for SqliteSendLimits {
    async fn look(&self, key: &SendLimitKey, limit: SendLimit, now: Timestamp) -> Result<SendCharge, StoreFailure> {
        if limit.most == 0 {
            let until = time::after(now, limit.window);
            return Ok(SendCharge::Exhausted { until });
        }
        self.0.read(|connection| look(connection, key.as_str(), limit, now))
    }

    async fn charge(&self, key: &SendLimitKey, limit: SendLimit, now: Timestamp) -> Result<SendCharge, StoreFailure> {
        if limit.most == 0 {
            let until = time::after(now, limit.window);
            return Ok(SendCharge::Exhausted { until });
        }
        let key = key.clone();
        self.0
            .write(move |connection| charge(connection, key.as_str(), limit, now))
            .await
    }
}
