use std::sync::Arc;

use async_trait::async_trait;
use domain::factors::{SendQuota, SendQuotaKey};
use domain::time::{self, Timestamp};
use ports::StoreError;
use ports::factors::{QuotaDecision, SendQuotas};
use rusqlite::{Connection, named_params};

use crate::database::Database;
use crate::error::SqliteError;
use crate::row_codec::{self, Reader};

pub(crate) struct SqliteSendQuotas(pub(crate) Arc<Database>);

/// Counts one code against the quota, in one statement. It begins the first window, raises the count of the current
/// window, or replaces an ended window with a new one. If the quota is used up, it changes nothing, and this function
/// returns the end of the window.
fn take(connection: &Connection, key: &str, quota: SendQuota, now: Timestamp) -> Result<QuotaDecision, SqliteError> {
    let sql = "INSERT INTO send_limits (key, used, window_ends_at) VALUES (:key, 1, :end)
               ON CONFLICT (key) DO UPDATE SET
                   used = CASE WHEN window_ends_at <= :now THEN 1 ELSE used + 1 END,
                   window_ends_at = CASE WHEN window_ends_at <= :now THEN excluded.window_ends_at ELSE window_ends_at END
               WHERE window_ends_at <= :now OR used < :most";
    let end = time::after(now, quota.window);
    let parameters = named_params! {
        ":key": key,
        ":end": end.as_millisecond(),
        ":now": now.as_millisecond(),
        ":most": quota.limit,
    };
    if row_codec::execute(connection, sql, parameters)? > 0 {
        return Ok(QuotaDecision::Allowed);
    }
    let sql = "SELECT key, window_ends_at FROM send_limits WHERE key = ?1";
    let retry_at = row_codec::first(connection, sql, [key], |row| Reader::new("send quota", row).time(1))?;
    Ok(QuotaDecision::Exceeded {
        retry_at: retry_at.unwrap_or(end),
    })
}

/// Returns `Exceeded` with the end of the window if the quota is used up. Changes nothing.
fn peek(connection: &Connection, key: &str, quota: SendQuota, now: Timestamp) -> Result<QuotaDecision, SqliteError> {
    let sql = "SELECT key, window_ends_at FROM send_limits
               WHERE key = :key AND window_ends_at > :now AND used >= :most";
    let parameters = named_params! { ":key": key, ":now": now.as_millisecond(), ":most": quota.limit };
    let retry_at = row_codec::first(connection, sql, parameters, |row| {
        Reader::new("send quota", row).time(1)
    })?;
    Ok(retry_at.map_or(QuotaDecision::Allowed, |retry_at| QuotaDecision::Exceeded { retry_at }))
}

#[async_trait]
impl SendQuotas for SqliteSendQuotas {
    async fn peek(&self, key: &SendQuotaKey, quota: SendQuota, now: Timestamp) -> Result<QuotaDecision, StoreError> {
        if quota.limit == 0 {
            let retry_at = time::after(now, quota.window);
            return Ok(QuotaDecision::Exceeded { retry_at });
        }
        self.0.read(|connection| peek(connection, key.as_str(), quota, now))
    }

    async fn take(&self, key: &SendQuotaKey, quota: SendQuota, now: Timestamp) -> Result<QuotaDecision, StoreError> {
        if quota.limit == 0 {
            let retry_at = time::after(now, quota.window);
            return Ok(QuotaDecision::Exceeded { retry_at });
        }
        let key = key.clone();
        self.0
            .write(move |connection| take(connection, key.as_str(), quota, now))
            .await
    }
}
