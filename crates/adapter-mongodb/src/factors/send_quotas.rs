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

/// How often a charge is tried when others begin the same window, or the garbage collection ends it, at the same time.
const ATTEMPTS: usize = 16;

pub(crate) struct MongodbSendQuotas(pub(crate) Arc<Database>);

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct SendQuotaDocument {
    #[serde(rename = "_id")]
    key: String,
    used: u32,
    window_ends_at: DateTime,
}

/// A window goes on or rolls over in the one update, or begins with the insert; else there is no room.
async fn charge(
    database: &Arc<Database>,
    key: &SendQuotaKey,
    limit: SendQuota,
    now: Timestamp,
) -> Result<QuotaDecision, StoreError> {
    let first = SendQuotaDocument {
        key: key.as_str().to_owned(),
        used: 1,
        window_ends_at: date(time::after(now, limit.window)),
    };
    let most = i64::from(limit.most);
    let has_room = doc! {
        "_id": key.as_str(),
        "$or": [{ "windowEndsAt": { "$lte": date(now) } }, { "used": { "$lt": most } }],
    };
    let is_over = doc! { "$lte": ["$windowEndsAt", date(now)] };
    let one_more = doc! {
        "used": { "$cond": [is_over.clone(), first.used, { "$add": ["$used", 1] }] },
        "windowEndsAt": { "$cond": [is_over, first.window_ends_at, "$windowEndsAt"] },
    };
    for _ in 0..ATTEMPTS {
        let update = vec![doc! { "$set": one_more.clone() }];
        if database.update_one(COLLECTION, has_room.clone(), update).await?
            || database.insert(COLLECTION, &first).await?
        {
            return Ok(QuotaDecision::Allowed);
        }
        let found = database.find_after_write(COLLECTION, key.as_str().to_owned()).await?;
        if let Some(retry_at) = full_until(found, key, limit, now)? {
            return Ok(QuotaDecision::Exceeded { retry_at });
        }
    }
    Err(MongodbError::Contended.into())
}

/// Until when there is no more room; `None` when there is.
fn full_until(
    found: Option<SendQuotaDocument>,
    key: &SendQuotaKey,
    limit: SendQuota,
    now: Timestamp,
) -> Result<Option<Timestamp>, MongodbError> {
    let full = found.filter(|found| found.window_ends_at > date(now) && found.used >= limit.most);
    let reader = Reader::new("send limit", key.as_str());
    full.map(|full| reader.time(full.window_ends_at)).transpose()
}

#[async_trait]
impl SendQuotas for MongodbSendQuotas {
    async fn peek(&self, key: &SendQuotaKey, limit: SendQuota, now: Timestamp) -> Result<QuotaDecision, StoreError> {
        if limit.most == 0 {
            let retry_at = time::after(now, limit.window);
            return Ok(QuotaDecision::Exceeded { retry_at });
        }
        let found = self.0.find(COLLECTION, key.as_str()).await?;
        let retry_at = full_until(found, key, limit, now)?;
        Ok(retry_at.map_or(QuotaDecision::Allowed, |retry_at| QuotaDecision::Exceeded { retry_at }))
    }

    async fn take(&self, key: &SendQuotaKey, limit: SendQuota, now: Timestamp) -> Result<QuotaDecision, StoreError> {
        if limit.most == 0 {
            let retry_at = time::after(now, limit.window);
            return Ok(QuotaDecision::Exceeded { retry_at });
        }
        charge(&self.0, key, limit, now).await
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
