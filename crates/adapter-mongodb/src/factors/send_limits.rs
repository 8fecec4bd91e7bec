use std::sync::Arc;

use async_trait::async_trait;
use domain::factors::{SendLimit, SendLimitKey};
use domain::time::{self, Timestamp};
use mongodb::bson::{DateTime, doc};
use ports::StoreFailure;
use ports::factors::{SendCharge, SendLimits};
use serde::{Deserialize, Serialize};

use crate::database::Database;
use crate::fault::Fault;
use crate::stored::{Reader, date};

pub(crate) const COLLECTION: &str = "send_limits";

/// How often a charge is tried when others begin the same window, or the garbage collection ends it, at the same time.
const ATTEMPTS: usize = 16;

pub(crate) struct MongodbSendLimits(pub(crate) Arc<Database>);

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct SendLimitDocument {
    #[serde(rename = "_id")]
    key: String,
    used: u32,
    window_ends_at: DateTime,
}

/// A window goes on or rolls over in the one update, or begins with the insert; else there is no room.
async fn charge(
    database: &Arc<Database>,
    key: &SendLimitKey,
    limit: SendLimit,
    now: Timestamp,
) -> Result<SendCharge, StoreFailure> {
    let first = SendLimitDocument {
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
            return Ok(SendCharge::Charged);
        }
        let found = database.find_after_write(COLLECTION, key.as_str().to_owned()).await?;
        if let Some(until) = full_until(found, key, limit, now)? {
            return Ok(SendCharge::Exhausted { until });
        }
    }
    Err(Fault::Contended.into())
}

/// Until when there is no more room; `None` when there is.
fn full_until(
    found: Option<SendLimitDocument>,
    key: &SendLimitKey,
    limit: SendLimit,
    now: Timestamp,
) -> Result<Option<Timestamp>, Fault> {
    let full = found.filter(|found| found.window_ends_at > date(now) && found.used >= limit.most);
    let reader = Reader::new("send limit", key.as_str());
    full.map(|full| reader.time(full.window_ends_at)).transpose()
}

#[async_trait]
impl SendLimits for MongodbSendLimits {
    async fn look(&self, key: &SendLimitKey, limit: SendLimit, now: Timestamp) -> Result<SendCharge, StoreFailure> {
        if limit.most == 0 {
            let until = time::after(now, limit.window);
            return Ok(SendCharge::Exhausted { until });
        }
        let found = self.0.find(COLLECTION, key.as_str()).await?;
        let until = full_until(found, key, limit, now)?;
        Ok(until.map_or(SendCharge::Charged, |until| SendCharge::Exhausted { until }))
    }

    async fn charge(&self, key: &SendLimitKey, limit: SendLimit, now: Timestamp) -> Result<SendCharge, StoreFailure> {
        if limit.most == 0 {
            let until = time::after(now, limit.window);
            return Ok(SendCharge::Exhausted { until });
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
        let document = SendLimitDocument {
            key: SendLimitKey::user(&UserId::parse("user-1").unwrap())
                .as_str()
                .to_owned(),
            used: 2,
            window_ends_at: date(Timestamp::UNIX_EPOCH),
        };
        let stored = serialize_to_document(&document).unwrap();
        insta::assert_snapshot!(stored, @r#"{ "_id": "user:user-1", "used": 2, "windowEndsAt": DateTime("1970-01-01 0:00:00.0 +00:00:00") }"#);
    }
}
