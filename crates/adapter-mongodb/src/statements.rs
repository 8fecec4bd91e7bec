//! Single conditional writes, each a call of its own.

use std::sync::Arc;

use mongodb::bson::{Document, doc};
use mongodb::options::UpdateModifications;
use ports::StoreError;
use serde::Serialize;

use crate::database::Database;
use crate::error::MongodbError;

/// How often a document is put in its place while others insert and delete it.
const ATTEMPTS: usize = 16;

impl Database {
    /// Whether the document was inserted; `false` when its `_id` was there already.
    pub(crate) async fn insert<T>(self: &Arc<Self>, collection: &'static str, document: &T) -> Result<bool, StoreError>
    where
        T: Serialize + Clone + Send + Sync + 'static,
    {
        let document = document.clone();
        self.write(move |mut session| async move { session.insert(collection, &document).await })
            .await
    }

    /// Whether a document matched.
    pub(crate) async fn update_one(
        self: &Arc<Self>,
        collection: &'static str,
        filter: Document,
        update: impl Into<UpdateModifications>,
    ) -> Result<bool, StoreError> {
        let update = update.into();
        self.write(move |mut session| async move { session.update_one(collection, filter, update).await })
            .await
    }

    /// Whether a document matched, and is replaced.
    pub(crate) async fn replace_one<T>(
        self: &Arc<Self>,
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

    /// Whether a document was there to be deleted.
    pub(crate) async fn delete_one(
        self: &Arc<Self>,
        collection: &'static str,
        filter: Document,
    ) -> Result<bool, StoreError> {
        self.write(move |mut session| async move { session.delete_one(collection, filter).await })
            .await
    }

    /// Puts the document in the place of the one with its `_id`, or inserts it.
    pub(crate) async fn put<T>(
        self: &Arc<Self>,
        collection: &'static str,
        id: &str,
        document: &T,
    ) -> Result<(), StoreError>
    where
        T: Serialize + Clone + Send + Sync + 'static,
    {
        for _ in 0..ATTEMPTS {
            let replaced = self.replace_one(collection, doc! { "_id": id }, document);
            if replaced.await? || self.insert(collection, document).await? {
                return Ok(());
            }
        }
        Err(MongodbError::Contended.into())
    }
}
