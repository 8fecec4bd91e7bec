use std::sync::Arc;

use async_trait::async_trait;
use domain::factors::{SendQuota, SendQuotaKey};
use domain::time::{self, Timestamp};
use mongodb::bson::{DateTime, doc};
use ports::StoreError;
use ports::factors::{QuotaDecision, SendQuotas};
use serde::{Deserialize, Serialize};

use crate::bson_codec::{Reader, date};
use crate::database::Database;
use crate::error::MongodbError;

pub(crate) const COLLECTION: &str = ports::factors::SEND_LIMITS.name;

/// The maximum number of attempts to take from a quota while other callers begin the same window or the purge removes
/// it.
const MAX_TAKE_ATTEMPTS: usize = 16;

pub(crate) struct MongodbSendQuotas(pub(crate) Arc<Database>);

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct SendQuotaDocument {
    #[serde(rename = "_id")]
    key: String,
    used: u32,
    window_ends_at: DateTime,
}

/// Counts one code against a quota. An update raises the count of the current window, or replaces an ended window with
/// a new one. If there is no window yet, an insert begins the first.
///
/// Scenario: A and B begin the first window. Both updates match nothing. A inserts the window. B's insert fails,
/// because the `_id` already exists. B reads the window. If it has room, B starts again, and its update raises the
/// count. If it is full, the quota is exceeded.
async fn take(
    database: &Arc<Database>,
    key: &SendQuotaKey,
    quota: SendQuota,
    now: Timestamp,
) -> Result<QuotaDecision, StoreError> {
    let first = SendQuotaDocument {
        key: key.as_str().to_owned(),
        used: 1,
        window_ends_at: date(time::after(now, quota.window)),
    };
    let most = i64::from(quota.limit);
    let room_filter = doc! {
        "_id": key.as_str(),
        "$or": [{ "windowEndsAt": { "$lte": date(now) } }, { "used": { "$lt": most } }],
    };
    let is_ended = doc! { "$lte": ["$windowEndsAt", date(now)] };
    let counted = doc! {
        "used": { "$cond": [is_ended.clone(), first.used, { "$add": ["$used", 1] }] },
        "windowEndsAt": { "$cond": [is_ended, first.window_ends_at, "$windowEndsAt"] },
    };
    for _ in 0..MAX_TAKE_ATTEMPTS {
        let update = vec![doc! { "$set": counted.clone() }];
        if database.update_one(COLLECTION, room_filter.clone(), update).await?
            || database.insert(COLLECTION, &first).await?
        {
            return Ok(QuotaDecision::Allowed);
        }
        let found = database.find_after_write(COLLECTION, key.as_str().to_owned()).await?;
        if let Some(retry_at) = end_of_full_window(found, key, quota, now)? {
            return Ok(QuotaDecision::Exceeded { retry_at });
        }
    }
    Err(MongodbError::Contended.into())
}

/// Returns the end of the current window if it has no room left.
fn end_of_full_window(
    found: Option<SendQuotaDocument>,
    key: &SendQuotaKey,
    quota: SendQuota,
    now: Timestamp,
) -> Result<Option<Timestamp>, MongodbError> {
    let full = found.filter(|found| found.window_ends_at > date(now) && found.used >= quota.limit);
    let reader = Reader::new("send quota", key.as_str());
    full.map(|full| reader.time(full.window_ends_at)).transpose()
}

#[async_trait]
impl SendQuotas for MongodbSendQuotas {
    async fn peek(&self, key: &SendQuotaKey, quota: SendQuota, now: Timestamp) -> Result<QuotaDecision, StoreError> {
        if quota.limit == 0 {
            let retry_at = time::after(now, quota.window);
            return Ok(QuotaDecision::Exceeded { retry_at });
        }
        let found = self.0.find(COLLECTION, key.as_str()).await?;
        let retry_at = end_of_full_window(found, key, quota, now)?;
        Ok(retry_at.map_or(QuotaDecision::Allowed, |retry_at| QuotaDecision::Exceeded { retry_at }))
    }

    async fn take(&self, key: &SendQuotaKey, quota: SendQuota, now: Timestamp) -> Result<QuotaDecision, StoreError> {
        if quota.limit == 0 {
            let retry_at = time::after(now, quota.window);
            return Ok(QuotaDecision::Exceeded { retry_at });
        }
        take(&self.0, key, quota, now).await
    }
}

#[cfg(test)]
mod tests {
    use domain::ids::UserId;
    use mongodb::bson::serialize_to_document;

    use super::*;

    #[test]
    fn stored_form() {
        let document = SendQuotaDocument {
            key: SendQuotaKey::user(&UserId::parse("user-1").unwrap())
                .as_str()
                .to_owned(),
            used: 2,
            window_ends_at: date(Timestamp::UNIX_EPOCH),
        };
        let stored = serialize_to_document(&document).unwrap();
        insta::assert_snapshot!(stored, @r#"{ "_id": "user:user-1", "used": 2, "windowEndsAt": DateTime("1970-01-01 0:00:00.0 +00:00:00") }"#);
    }
}
