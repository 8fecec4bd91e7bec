//! Unique names (logins of a user, id and aliases of a client): each name is the `_id` of a reservation that names its
//! owner.
//!
//! A name belongs to an owner only if the owner's document lists it; a reservation alone does not count. A save takes
//! four steps. Each write in them is conditional and changes one document:
//!
//! 1. Reserve every name. A name that is reserved for another owner is taken over if that owner has a document that
//!    does not list it. Otherwise the save is rejected.
//! 2. Write the owner's document, if it still has the write id that was read.
//! 3. Reserve every name again. If a name belongs to another owner by now, undo step 2 and reject.
//! 4. Release the names that the owner's previous document listed and the new one does not.
//!
//! Why step 1 precedes step 2: A and B create users with the same address. If each wrote its document first, both users
//! would exist before the second reservation fails. With step 1 first, B is rejected before it has written anything.
//!
//! Why step 3 repeats step 1, for a name N:
//!
//! 1. User 1's document no longer has N, but the reservation still names user 1 (crash before the release).
//! 2. A writes user 1 with N; its step 1 finds the reservation already its own.
//! 3. B creates user 2 with N; user 1's document lacks N, so B takes N over.
//! 4. Both documents are written.
//! 5. A's last reservation (step 3) finds user 2's reservation, and A undoes its write.
//!
//! If another call releases N between A's steps 1 and 2 instead, step 3 reserves N again.
//!
//! A crash between two steps leaves a reservation whose owner does not exist (a create that stopped after step 1), or
//! whose owner's document does not list the name (a replace). In the first case the name stays reserved, because a
//! repeated call may still write the owner. In the second case the next save that wants the name takes it over. A
//! caller that drops its future between two steps has the effect of a crash: the next step is not sent.

use std::sync::Arc;

use mongodb::bson::{Bson, Document, deserialize_from_document, doc, oid::ObjectId, serialize_to_document};
use ports::StoreError;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use stored_forms::Corrupt;

use crate::database::Database;
use crate::driver_session::CausalSession;
use crate::error::MongodbError;

/// The maximum number of attempts to reserve a name, or to save or remove an owner, while other callers change the same
/// documents. Each failed attempt means that another caller succeeded, so 16 attempts are enough against 15 other
/// callers.
const MAX_ATTEMPTS: usize = 16;

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

    fn from_form(id: &str, form: Self::Form) -> Result<Self, Corrupt>;
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct ReservationDocument {
    #[serde(rename = "_id")]
    name: String,
    #[serde(rename = "holder")]
    owner: String,
    /// A counter that every reservation raises. Scenario: A reads the reservation of an owner whose document does not
    /// list the name. The owner reserves the name again. A's takeover requires the version that A read, so it does not
    /// match.
    version: i64,
}

/// The outcome of saving an owner.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum OwnerSaveOutcome {
    Saved,
    NameTaken { name: String, by: String },
    IdTaken,
}

/// The outcome of reserving one name.
enum ReserveOutcome {
    Reserved,
    /// The reservation already named this owner.
    AlreadyOwned,
    TakenBy(String),
}

/// An owner as it is stored.
struct Stored<O> {
    owner: O,
    /// A random id that differs after every write. Null in documents that were stored before write ids existed.
    write_id: Bson,
}

impl<O: UniqueNameOwner> Stored<O> {
    fn read(mut stored: Document) -> Result<Self, MongodbError> {
        let write_id = stored.remove(WRITE_ID).unwrap_or(Bson::Null);
        let id = stored.get_str("_id").unwrap_or_default().to_owned();
        let form = deserialize_from_document(stored).map_err(|error| MongodbError::read(&error.into()))?;
        let owner = read_owner(&id, form)?;
        Ok(Self { owner, write_id })
    }
}

fn read_owner<O: UniqueNameOwner>(id: &str, form: O::Form) -> Result<O, MongodbError> {
    O::from_form(id, form).map_err(|error| MongodbError::corrupt(O::COLLECTION, id, error.0))
}

/// Returns the owner with this id.
pub(crate) async fn find<O: UniqueNameOwner>(database: &Arc<Database>, id: &str) -> Result<Option<O>, StoreError>
where
    O::Form: 'static,
{
    let found = database.find_or_read_linearizable::<O::Form>(O::COLLECTION, id).await?;
    Ok(found.map(|form| read_owner(id, form)).transpose()?)
}

/// Returns up to `limit` owners whose id is greater than `after`, in the order of their ids.
pub(crate) async fn page<O: UniqueNameOwner>(
    database: &Arc<Database>,
    after: Option<&str>,
    limit: usize,
) -> Result<Vec<O>, StoreError> {
    let after = after.unwrap_or_default().to_owned();
    let found = database.page::<Document>(O::COLLECTION, after, limit).await?;
    let owners = found.into_iter().map(|stored| Ok(Stored::read(stored)?.owner));
    owners.collect()
}

/// Builds an owner's document with a new write id, and returns both.
fn new_document<O: UniqueNameOwner>(owner: &O) -> Result<(Document, ObjectId), MongodbError> {
    let write_id = ObjectId::new();
    let form = serialize_to_document(&owner.to_form());
    let mut document = doc! { "_id": owner.id() };
    document.extend(form.map_err(|error| MongodbError::corrupt(O::COLLECTION, owner.id(), error))?);
    document.insert(WRITE_ID, write_id);
    Ok((document, write_id))
}

/// Builds the filter for an owner's document that has not been written again since the write with this id.
fn unchanged_filter(id: &str, write_id: impl Into<Bson>) -> Document {
    doc! { "_id": id, WRITE_ID: write_id.into() }
}

/// Inserts an owner with its names. When its id or a name is taken, it stores nothing and releases what it reserved.
pub(crate) async fn create<O: UniqueNameOwner>(
    database: &Arc<Database>,
    owner: &O,
) -> Result<OwnerSaveOutcome, StoreError> {
    let newly_reserved = match reserve_all(database, owner).await? {
        Ok(names) => names,
        Err(rejection) => return Ok(rejection),
    };
    let (document, write_id) = new_document(owner)?;
    if !database.insert(O::COLLECTION, &document).await? {
        release_unlisted::<O>(database, owner.id(), newly_reserved).await?;
        return Ok(OwnerSaveOutcome::IdTaken);
    }
    if let Err(rejection) = reserve_all(database, owner).await? {
        let filter = unchanged_filter(owner.id(), write_id);
        database.delete_one(O::COLLECTION, filter).await?;
        release_unlisted::<O>(database, owner.id(), owner.names()).await?;
        return Ok(rejection);
    }
    Ok(OwnerSaveOutcome::Saved)
}

/// Replaces the owner with the same id, or inserts it, and releases the names that it no longer has. When a name is
/// taken, the stored owner stays as it was. Idempotent.
pub(crate) async fn replace<O: UniqueNameOwner>(
    database: &Arc<Database>,
    owner: &O,
) -> Result<OwnerSaveOutcome, StoreError> {
    let id = owner.id();
    for _ in 0..MAX_ATTEMPTS {
        let previous = find_stored::<O>(database, id).await?;
        if let Err(rejection) = reserve_all(database, owner).await? {
            return Ok(rejection);
        }
        let (document, write_id) = new_document(owner)?;
        let is_written = match &previous {
            Some(previous) => {
                let filter = unchanged_filter(id, previous.write_id.clone());
                database.replace_one(O::COLLECTION, filter, &document).await?
            }
            None => database.insert(O::COLLECTION, &document).await?,
        };
        if !is_written {
            continue;
        }
        if let Err(rejection) = reserve_all(database, owner).await? {
            let filter = unchanged_filter(id, write_id);
            match &previous {
                Some(previous) => {
                    let (document, _) = new_document(&previous.owner)?;
                    database.replace_one(O::COLLECTION, filter, &document).await?
                }
                None => database.delete_one(O::COLLECTION, filter).await?,
            };
            release_unlisted::<O>(database, id, owner.names()).await?;
            return Ok(rejection);
        }
        let previous_names = previous.map(|previous| previous.owner.names()).unwrap_or_default();
        release_unlisted::<O>(database, id, previous_names).await?;
        return Ok(OwnerSaveOutcome::Saved);
    }
    Err(MongodbError::Contended.into())
}

/// Removes an owner and releases its names. Returns whether this call removed it.
///
/// The names are released first. Scenario of the opposite order: the process dies between the two steps. A reservation
/// without its owner's document looks like an interrupted create: a save of that name returns the removed id as its
/// owner, and the caller would complete the next user under that id.
pub(crate) async fn remove<O: UniqueNameOwner>(database: &Arc<Database>, id: &str) -> Result<bool, StoreError> {
    for _ in 0..MAX_ATTEMPTS {
        let Some(stored) = find_stored::<O>(database, id).await? else {
            return Ok(false);
        };
        for name in stored.owner.names() {
            release::<O>(database, &name, id).await?;
        }
        let filter = unchanged_filter(id, stored.write_id);
        if database.delete_one(O::COLLECTION, filter).await? {
            return Ok(true);
        }
    }
    Err(MongodbError::Contended.into())
}

/// Returns the owner of a name. The owner's document must list the name; a reservation alone does not count.
pub(crate) async fn find_by_name<O: UniqueNameOwner>(
    mut session: CausalSession,
    name: String,
) -> Result<Option<O>, MongodbError> {
    let found = session.find_one::<ReservationDocument>(O::RESERVATIONS, doc! { "_id": &name });
    let Some(reservation) = found.await? else {
        return Ok(None);
    };
    let found = session.find_one::<O::Form>(O::COLLECTION, doc! { "_id": &reservation.owner });
    let owner = found
        .await?
        .map(|form| read_owner::<O>(&reservation.owner, form))
        .transpose()?;
    Ok(owner.filter(|owner| owner.names().contains(&name)))
}

async fn find_stored<O: UniqueNameOwner>(database: &Arc<Database>, id: &str) -> Result<Option<Stored<O>>, StoreError> {
    let found = database.find_after_write::<Document>(O::COLLECTION, id.to_owned());
    Ok(found.await?.map(Stored::read).transpose()?)
}

/// Reserves every name of an owner. Returns the names that were not reserved for it before. If a name is taken,
/// releases the names that this call reserved, and returns the rejection of the save.
///
/// The outer error means that the store failed, the inner one that a name is taken.
async fn reserve_all<O: UniqueNameOwner>(
    database: &Arc<Database>,
    owner: &O,
) -> Result<Result<Vec<String>, OwnerSaveOutcome>, StoreError> {
    let mut newly_reserved = Vec::new();
    for name in owner.names() {
        match reserve::<O>(database, &name, owner.id()).await? {
            ReserveOutcome::Reserved => newly_reserved.push(name),
            ReserveOutcome::AlreadyOwned => {}
            ReserveOutcome::TakenBy(by) => {
                release_unlisted::<O>(database, owner.id(), newly_reserved).await?;
                return Ok(Err(OwnerSaveOutcome::NameTaken { name, by }));
            }
        }
    }
    Ok(Ok(newly_reserved))
}

/// Reserves one name. If the document of the name's current owner does not list the name, the name is taken over. If
/// that owner has no document, the name stays reserved for it, because its document may be about to be written.
async fn reserve<O: UniqueNameOwner>(
    database: &Arc<Database>,
    name: &str,
    owner: &str,
) -> Result<ReserveOutcome, StoreError> {
    for _ in 0..MAX_ATTEMPTS {
        let own_filter = doc! { "_id": name, "holder": owner };
        let raise_version = doc! { "$inc": { "version": 1_i64 } };
        if database.update_one(O::RESERVATIONS, own_filter, raise_version).await? {
            return Ok(ReserveOutcome::AlreadyOwned);
        }
        let new = ReservationDocument {
            name: name.to_owned(),
            owner: owner.to_owned(),
            version: 1,
        };
        if database.insert(O::RESERVATIONS, &new).await? {
            return Ok(ReserveOutcome::Reserved);
        }
        let found = database.find_after_write::<ReservationDocument>(O::RESERVATIONS, name.to_owned());
        let Some(found) = found.await?.filter(|found| found.owner != owner) else {
            continue;
        };
        let other = find_stored::<O>(database, &found.owner).await?;
        if other.is_none_or(|other| other.owner.names().iter().any(|listed| listed == name)) {
            return Ok(ReserveOutcome::TakenBy(found.owner));
        }
        let unchanged_filter = doc! { "_id": name, "holder": &found.owner, "version": found.version };
        let take_over = doc! { "$set": { "holder": owner }, "$inc": { "version": 1_i64 } };
        if database
            .update_one(O::RESERVATIONS, unchanged_filter, take_over)
            .await?
        {
            return Ok(ReserveOutcome::Reserved);
        }
    }
    Err(MongodbError::Contended.into())
}

/// Releases the given names, except those that the owner's stored document lists.
async fn release_unlisted<O: UniqueNameOwner>(
    database: &Arc<Database>,
    id: &str,
    names: Vec<String>,
) -> Result<(), StoreError> {
    if names.is_empty() {
        return Ok(());
    }
    let stored = find_stored::<O>(database, id).await?;
    let listed = stored.map(|stored| stored.owner.names()).unwrap_or_default();
    for name in names.iter().filter(|name| !listed.contains(name)) {
        release::<O>(database, name, id).await?;
    }
    Ok(())
}

/// Deletes the reservation of a name, if it names this owner.
async fn release<O: UniqueNameOwner>(database: &Arc<Database>, name: &str, owner: &str) -> Result<(), StoreError> {
    let own_filter = doc! { "_id": name, "holder": owner };
    database.delete_one(O::RESERVATIONS, own_filter).await.map(drop)
}

#[cfg(test)]
mod tests {
    use mongodb::bson::serialize_to_document;

    use super::*;

    #[test]
    fn stored_form() {
        let stored = serialize_to_document(&ReservationDocument {
            name: "ada@example.com".to_owned(),
            owner: "5efd263cbe2d398bb00b97ea".to_owned(),
            version: 1,
        });
        insta::assert_snapshot!(stored.unwrap(), @r#"{ "_id": "ada@example.com", "holder": "5efd263cbe2d398bb00b97ea", "version": 1 }"#);
    }
    #[test]
    fn write_id_is_stored_as_version() {
        let filter = unchanged_filter("user-1", Bson::Null);
        insta::assert_snapshot!(filter, @r#"{ "_id": "user-1", "version": null }"#);
    }
}
