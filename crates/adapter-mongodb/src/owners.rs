//! Owners of unique names as they are stored, with a write id, and the tombstones that removed ones leave.

use std::sync::Arc;

use mongodb::bson::{Bson, Document, deserialize_from_document, doc, oid::ObjectId, serialize_to_document};
use ports::StoreError;
use serde::Serialize;
use serde::de::DeserializeOwned;
use stored_forms::Corrupt;

use crate::database::Database;
use crate::error::MongodbError;
use crate::outbox;
use crate::tombstones::{self, PENDING};

/// The stored name of [`Stored::write_id`].
const WRITE_ID: &str = "version";

/// A record whose names are unique among all records of its kind.
pub(crate) trait UniqueNameOwner: Sized + Send + Sync {
    const COLLECTION: &'static str;
    const RESERVATIONS: &'static str;
    type Form: Serialize + DeserializeOwned + Send + Sync;

    fn id(&self) -> &str;

    fn names(&self) -> Vec<String>;

    fn to_form(&self) -> Self::Form;

    /// Returns the owner; `None` for the tombstone of a removed one.
    fn from_form(id: &str, form: Self::Form) -> Result<Option<Self>, Corrupt>;
}

/// An owner as it is stored.
pub(crate) struct Stored<O> {
    /// `None` for the tombstone of a removed owner.
    pub(crate) owner: Option<O>,
    /// True while something of a removed owner is still stored.
    pub(crate) is_pending: bool,
    /// A random id that differs after every write. Null in documents that were stored before write ids existed.
    pub(crate) write_id: Bson,
}

impl<O: UniqueNameOwner> Stored<O> {
    fn read(mut stored: Document) -> Result<Self, MongodbError> {
        let write_id = stored.remove(WRITE_ID).unwrap_or(Bson::Null);
        let is_pending = stored.get_bool(PENDING).unwrap_or(false);
        let id = stored.get_str("_id").unwrap_or_default().to_owned();
        let form = deserialize_from_document(stored).map_err(|error| MongodbError::read(&error.into()))?;
        let owner = read_owner(&id, form)?;
        Ok(Self {
            owner,
            is_pending,
            write_id,
        })
    }

    pub(crate) fn names(&self) -> Vec<String> {
        self.owner.as_ref().map(O::names).unwrap_or_default()
    }
}

pub(crate) fn read_owner<O: UniqueNameOwner>(id: &str, form: O::Form) -> Result<Option<O>, MongodbError> {
    O::from_form(id, form).map_err(|error| MongodbError::corrupt(O::COLLECTION, id, error.0))
}

/// Returns the owner with this id. If none exists, or it was removed, reads again, linearizably, because a majority read
/// right after a failover may be behind the write that created it.
pub(crate) async fn find<O: UniqueNameOwner>(database: &Arc<Database>, id: &str) -> Result<Option<O>, StoreError>
where
    O::Form: 'static,
{
    let read = |found: Option<O::Form>| found.map_or(Ok(None), |form| read_owner::<O>(id, form));
    if let Some(owner) = read(database.find(O::COLLECTION, id).await?)? {
        return Ok(Some(owner));
    }
    Ok(read(database.find_linearizable(O::COLLECTION, id.to_owned()).await?)?)
}

/// Returns up to `limit` owners whose id is greater than `after`, in the order of their ids, without removed ones.
pub(crate) async fn page<O: UniqueNameOwner>(
    database: &Arc<Database>,
    after: Option<&str>,
    limit: usize,
) -> Result<Vec<O>, StoreError> {
    let after = after.unwrap_or_default().to_owned();
    let found = database.page::<Document>(O::COLLECTION, tombstones::living_filter(), after, limit);
    let owners = found.await?.into_iter().map(|stored| Ok(Stored::read(stored)?.owner));
    owners.filter_map(Result::transpose).collect()
}

/// Builds an owner's document with a new write id, and returns both.
pub(crate) fn new_document<O: UniqueNameOwner>(owner: &O) -> Result<(Document, ObjectId), MongodbError> {
    let write_id = ObjectId::new();
    let form = serialize_to_document(&owner.to_form());
    let mut document = doc! { "_id": owner.id() };
    document.extend(form.map_err(|error| MongodbError::corrupt(O::COLLECTION, owner.id(), error))?);
    document.insert(WRITE_ID, write_id);
    Ok((document, write_id))
}

/// Builds the filter for an owner's document that has not been written again since the write with this id.
pub(crate) fn unchanged_filter(id: &str, write_id: impl Into<Bson>) -> Document {
    doc! { "_id": id, WRITE_ID: write_id.into() }
}

/// Builds the update that replaces an owner's document and keeps its outbox.
pub(crate) fn replace_document(document: &Document) -> Result<Vec<Document>, MongodbError> {
    let mut form = document.clone();
    form.remove("_id");
    outbox::replace_update(form, Vec::new())
}

pub(crate) async fn find_stored<O: UniqueNameOwner>(
    database: &Arc<Database>,
    id: &str,
) -> Result<Option<Stored<O>>, StoreError> {
    let found = database.find_after_write::<Document>(O::COLLECTION, id.to_owned());
    Ok(found.await?.map(Stored::read).transpose()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn write_id_is_stored_as_version() {
        let filter = unchanged_filter("user-1", Bson::Null);
        insta::assert_snapshot!(filter, @r#"{ "_id": "user-1", "version": null }"#);
    }
}
