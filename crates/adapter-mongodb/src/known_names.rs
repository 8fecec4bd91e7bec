use std::sync::Arc;

use async_trait::async_trait;
use domain::names::{KnownName, NameKind};
use mongodb::bson::Document;
use ports::{KnownNames, StoreError};
use serde::{Deserialize, Serialize};

use crate::bson_codec::Reader;
use crate::database::Database;
use crate::error::MongodbError;

const COLLECTION: &str = ports::KNOWN_NAMES.name;

pub(crate) struct MongodbKnownNames(pub(crate) Arc<Database>);

/// A known name. Kind and name form the `_id`, so that each name is stored once and pages are in the order of the
/// `_id`.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct KnownNameDocument {
    #[serde(rename = "_id")]
    id: String,
}

impl From<&KnownName> for KnownNameDocument {
    fn from(name: &KnownName) -> Self {
        Self {
            id: format!("{}:{}", name.kind.as_str(), name.as_str()),
        }
    }
}

impl TryFrom<KnownNameDocument> for KnownName {
    type Error = MongodbError;

    fn try_from(stored: KnownNameDocument) -> Result<Self, MongodbError> {
        let reader = Reader::new("known name", &stored.id);
        let (kind, name) = stored.id.split_once(':').ok_or_else(|| reader.corrupt("kind"))?;
        let kind = NameKind::parse(kind).ok_or_else(|| reader.corrupt("kind"))?;
        Self::parse(kind, name).map_err(|error| reader.corrupt(error))
    }
}

#[async_trait]
impl KnownNames for MongodbKnownNames {
    async fn add(&self, name: &KnownName) -> Result<bool, StoreError> {
        let document = KnownNameDocument::from(name);
        self.0.insert(COLLECTION, &document).await
    }

    async fn page(&self, after: Option<&KnownName>, limit: usize) -> Result<Vec<KnownName>, StoreError> {
        let after = after.map(|name| KnownNameDocument::from(name).id).unwrap_or_default();
        let found = self
            .0
            .page::<KnownNameDocument>(COLLECTION, Document::new(), after, limit)
            .await?;
        Ok(found.into_iter().map(KnownName::try_from).collect::<Result<_, _>>()?)
    }
}

#[cfg(test)]
mod tests {
    use mongodb::bson::serialize_to_document;

    use super::*;

    #[test]
    fn stored_form() {
        let name = KnownName::parse(NameKind::Role, "BUYER:EU").unwrap();
        let stored = serialize_to_document(&KnownNameDocument::from(&name)).unwrap();
        insta::assert_snapshot!(stored, @r#"{ "_id": "role:BUYER:EU" }"#);
        let read: KnownNameDocument = mongodb::bson::deserialize_from_document(stored).unwrap();
        assert_eq!(KnownName::try_from(read).unwrap(), name);
    }
}
