use std::sync::Arc;

use async_trait::async_trait;
use domain::sessions::UsedOnceKey;
use domain::time::Timestamp;
use mongodb::bson::DateTime;
use ports::StoreError;
use ports::sessions::UsedOnce;
use serde::{Deserialize, Serialize};

use crate::bson_codec::date;
use crate::database::Database;

pub(crate) const COLLECTION: &str = ports::sessions::USED_ONCE.name;

pub(crate) struct MongodbUsedOnce(pub(crate) Arc<Database>);

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct UsedOnceDocument {
    #[serde(rename = "_id")]
    key: String,
    purge_at: DateTime,
}

#[async_trait]
impl UsedOnce for MongodbUsedOnce {
    async fn mark_used(&self, key: &UsedOnceKey, purge_at: Timestamp) -> Result<bool, StoreError> {
        // A plain insert: if an earlier attempt of this call may have inserted the document, the outcome is unknown.
        let document = UsedOnceDocument {
            key: key.to_string(),
            purge_at: date(purge_at),
        };
        self.0.insert(COLLECTION, &document).await
    }
}

#[cfg(test)]
mod tests {
    use domain::sessions::UsedOncePurpose;
    use mongodb::bson::serialize_to_document;

    use super::*;

    #[test]
    fn stored_form() {
        let key = UsedOnceKey {
            purpose: UsedOncePurpose::SamlAssertion,
            hash: [7; 32],
        };
        let document = UsedOnceDocument {
            key: key.to_string(),
            purge_at: date(Timestamp::UNIX_EPOCH),
        };
        let stored = serialize_to_document(&document).unwrap();
        insta::assert_snapshot!(stored, @r#"{ "_id": "saml-assertion:0707070707070707070707070707070707070707070707070707070707070707", "purgeAt": DateTime("1970-01-01 0:00:00.0 +00:00:00") }"#);
    }
}
