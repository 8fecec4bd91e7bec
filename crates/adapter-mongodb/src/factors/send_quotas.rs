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

pub(crate) const COLLECTION: &str = "send_limits";

/// Attempts to take from a quota while other callers begin the same window, or the purge removes it.
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

/// Takes one from a quota: an update counts on or rolls over an ended window, or an insert begins the first one.
///
/// Scenario: A and B begin the same window. Both updates match nothing. A inserts; B's insert meets A's `_id`. B reads
/// the document: if it has room, B starts again and counts on; if it is full, the quota is exceeded.
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
    let most = i64::from(quota.most);
    let has_room = doc! {
        "_id": key.as_str(),
        "$or": [{ "windowEndsAt": { "$lte": date(now) } }, { "used": { "$lt": most } }],
    };
    let has_ended = doc! { "$lte": ["$windowEndsAt", date(now)] };
    let one_more = doc! {
        "used": { "$cond": [has_ended.clone(), first.used, { "$add": ["$used", 1] }] },
        "windowEndsAt": { "$cond": [has_ended, first.window_ends_at, "$windowEndsAt"] },
    };
    for _ in 0..MAX_TAKE_ATTEMPTS {
        let update = vec![doc! { "$set": one_more.clone() }];
        if database.update_one(COLLECTION, has_room.clone(), update).await?
            || database.insert(COLLECTION, &first).await?
        {
            return Ok(QuotaDecision::Allowed);
        }
        let found = database.find_after_write(COLLECTION, key.as_str().to_owned()).await?;
        if let Some(retry_at) = full_until(found, key, quota, now)? {
            return Ok(QuotaDecision::Exceeded { retry_at });
        }
    }
    Err(MongodbError::Contended.into())
}

/// Returns the end of the window if it has no room left.
fn full_until(
    found: Option<SendQuotaDocument>,
    key: &SendQuotaKey,
    quota: SendQuota,
    now: Timestamp,
) -> Result<Option<Timestamp>, MongodbError> {
    let full = found.filter(|found| found.window_ends_at > date(now) && found.used >= quota.most);
    let reader = Reader::new("send quota", key.as_str());
    full.map(|full| reader.time(full.window_ends_at)).transpose()
}

#[async_trait]
impl SendQuotas for MongodbSendQuotas {
    async fn peek(&self, key: &SendQuotaKey, quota: SendQuota, now: Timestamp) -> Result<QuotaDecision, StoreError> {
        if quota.most == 0 {
            let retry_at = time::after(now, quota.window);
            return Ok(QuotaDecision::Exceeded { retry_at });
        }
        let found = self.0.find(COLLECTION, key.as_str()).await?;
        let retry_at = full_until(found, key, quota, now)?;
        Ok(retry_at.map_or(QuotaDecision::Allowed, |retry_at| QuotaDecision::Exceeded { retry_at }))
    }

    async fn take(&self, key: &SendQuotaKey, quota: SendQuota, now: Timestamp) -> Result<QuotaDecision, StoreError> {
        if quota.most == 0 {
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
