//! Conditional writes of one document, each in its own call.

use mongodb::bson::{Document, doc};
use mongodb::options::UpdateModifications;
use ports::StoreError;
use serde::Serialize;

use super::Database;
use crate::error::MongodbError;

/// The maximum number of attempts to put a document while other callers insert and delete it.
const MAX_PUT_ATTEMPTS: usize = 16;

impl Database {
    /// Inserts a document. Returns `false` if its `_id` already exists.
    pub(crate) async fn insert<T>(&self, collection: &'static str, document: &T) -> Result<bool, StoreError>
    where
        T: Serialize + Clone + Send + Sync + 'static,
    {
        let document = document.clone();
        self.write(move |mut session| async move { session.insert(collection, &document).await })
            .await
    }

    /// Updates the document that matches the filter. Returns whether a document matched.
    pub(crate) async fn update_one(
        &self,
        collection: &'static str,
        filter: Document,
        update: impl Into<UpdateModifications>,
    ) -> Result<bool, StoreError> {
        let update = update.into();
        self.write(move |mut session| async move { session.update_one(collection, filter, update).await })
            .await
    }

    /// Replaces the document that matches the filter. Returns whether a document matched.
    pub(crate) async fn replace_one<T>(
        &self,
        collection: &'static str,
        filter: Document,
        document: &T,
    ) -> Result<bool, StoreError>
    where
        T: Serialize + Clone + Send + Sync + 'static,
    {
        let document = document.clone();
        self.write(move |mut session| async move { session.replace_one(collection, filter, &document).await })
            .await
    }

    /// Deletes the document that matches the filter. Returns whether a document matched.
    pub(crate) async fn delete_one(&self, collection: &'static str, filter: Document) -> Result<bool, StoreError> {
        self.write(move |mut session| async move { session.delete_one(collection, filter).await })
            .await
    }

    /// Replaces the document with this `_id`, or inserts it. Starts again if another caller inserts or deletes it
    /// between the two steps.
    pub(crate) async fn put<T>(&self, collection: &'static str, id: &str, document: &T) -> Result<(), StoreError>
    where
        T: Serialize + Clone + Send + Sync + 'static,
    {
        for _ in 0..MAX_PUT_ATTEMPTS {
            let replaced = self.replace_one(collection, doc! { "_id": id }, document);
            if replaced.await? || self.insert(collection, document).await? {
                return Ok(());
            }
        }
        Err(MongodbError::Contended.into())
    }
}
