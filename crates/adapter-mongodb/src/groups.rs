use std::sync::Arc;

use async_trait::async_trait;
use domain::group::Group;
use mongodb::bson::{Document, doc};
use ports::{Groups, StoreError};
use serde::{Deserialize, Serialize};

use crate::connection;
use crate::database::Database;

const COLLECTION: &str = ports::GROUPS.name;

pub(crate) struct MongodbGroups(pub(crate) Arc<Database>);

#[derive(Debug, Clone, Serialize, Deserialize)]
struct GroupDocument {
    #[serde(rename = "_id")]
    name: String,
    roles: Vec<String>,
}

impl From<GroupDocument> for Group {
    fn from(stored: GroupDocument) -> Self {
        let GroupDocument { name, roles } = stored;
        Self { name, roles }
    }
}

#[async_trait]
impl Groups for MongodbGroups {
    #[tracing::instrument(level = "trace", name = "store", skip_all, fields(operation = "find", collection = COLLECTION))]
    async fn find(&self, names: &[String]) -> Result<Vec<Group>, StoreError> {
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let filter = doc! { "_id": { "$in": names } };
        let found = self.0.read(|connection| async move {
            let groups = connection.collection::<GroupDocument>(COLLECTION);
            connection::all(groups.find(filter).await).await
        });
        let found: Vec<Group> = found.await?.into_iter().map(Group::from).collect();
        let find_group = |name: &String| found.iter().find(|group| group.name == *name).cloned();
        Ok(names.iter().filter_map(find_group).collect())
    }

    async fn save(&self, group: &Group) -> Result<(), StoreError> {
        let Group { name, roles } = group.clone();
        let document = GroupDocument { name, roles };
        self.0.put(COLLECTION, &document.name, &document).await
    }

    async fn remove(&self, name: &str) -> Result<bool, StoreError> {
        self.0.delete_one(COLLECTION, doc! { "_id": name }).await
    }

    async fn page(&self, after: Option<&str>, limit: usize) -> Result<Vec<Group>, StoreError> {
        let after = after.unwrap_or_default().to_owned();
        let found = self
            .0
            .page::<GroupDocument>(COLLECTION, Document::new(), after, limit)
            .await?;
        Ok(found.into_iter().map(Group::from).collect())
    }
}

#[cfg(test)]
mod tests {
    use mongodb::bson::serialize_to_document;

    use super::*;

    #[test]
    fn stored_form() {
        let stored = serialize_to_document(&GroupDocument {
            name: "staff".to_owned(),
            roles: vec!["USER".to_owned()],
        });
        insta::assert_snapshot!(stored.unwrap(), @r#"{ "_id": "staff", "roles": ["USER"] }"#);
    }
}
