//! Unique names (logins of a user, id and aliases of a client): each name is the `_id` of a reservation that names its
//! owner.
//!
//! The owner's document says which names it has; a reservation alone gives nothing. A save takes three steps, each a
//! conditional write of one document:
//!
//! 1. Reserve every name. A name that another owner has is rejected. A name whose owner exists without it is taken
//!    over.
//! 2. Write the owner's document, if it has the version that was read.
//! 3. Reserve every name again. If one belongs to another owner by now, undo step 2 and reject.
//!
//! Then the names that the owner had before and gave up are freed.
//!
//! Why reserve first: A and B create users with the same address. If each wrote its document first, both would exist
//! when they meet on the reservation. Reserved first, B is rejected before it wrote anything.
//!
//! Why reserve again: user 1 gave up a name, and the process died before it freed the reservation. A gives the name
//! back to user 1 and finds user 1's own reservation in step 1. B creates user 2 with the name: user 1 exists without
//! it, so B takes it over. Both write their documents. In step 3 B finds its own reservation; A finds that of user 2
//! and undoes its write. If instead another call freed the name between A's steps 1 and 2, step 3 reserves it anew.
//!
//! A crash between two steps leaves a reservation whose owner does not exist (a create that ended after step 1), or
//! exists without the name (a replace). The first stays with that owner, which may still be written by a repeated call;
//! the second is taken over by the next save that wants the name. A caller that leaves between two steps has the effect
//! of a crash: the next step is not sent.

use std::sync::Arc;

use mongodb::bson::{Bson, Document, deserialize_from_document, doc, oid::ObjectId, serialize_to_document};
use ports::StoreError;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::causal_session::CausalSession;
use crate::database::Database;
use crate::error::MongodbError;

/// Attempts to reserve a name, or to save or remove an owner, while other callers change the same documents. Each
/// failed attempt is another caller's success, so 16 attempts are enough for 15 callers at the same time.
const MAX_SAVE_ATTEMPTS: usize = 16;

/// A record whose names are unique among all records of its kind.
pub(crate) trait UniqueNameOwner: Sized + Send + Sync {
    const COLLECTION: &'static str;
    const RESERVATIONS: &'static str;
    type Document: Serialize + DeserializeOwned + Send + Sync;

    fn id(&self) -> &str;

    fn names(&self) -> Vec<String>;

    fn to_stored(&self) -> Self::Document;

    fn from_stored(stored: Self::Document) -> Result<Self, MongodbError>;
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct ReservationDocument {
    #[serde(rename = "_id")]
    name: String,
    #[serde(rename = "holder")]
    owner: String,
    /// Raised by every reservation. Scenario: A reads the reservation of an owner that gave the name up. The owner
    /// reserves it again. A's takeover, which requires the version it read, does not match.
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
    /// The owner had it before.
    AlreadyOwned,
    TakenBy(String),
}

/// An owner as it is stored.
struct Stored<H> {
    owner: H,
    /// Random, and different after every write. Null in documents that were stored before versions were.
    version: Bson,
}

impl<H: UniqueNameOwner> Stored<H> {
    fn read(mut stored: Document) -> Result<Self, MongodbError> {
        let version = stored.remove("version").unwrap_or(Bson::Null);
        let document = deserialize_from_document(stored).map_err(|error| MongodbError::read(&error.into()))?;
        Ok(Self {
            owner: H::from_stored(document)?,
            version,
        })
    }

    /// Builds the document of the next version, and returns it with that version.
    fn next(owner: &H) -> Result<(Document, ObjectId), MongodbError> {
        let version = ObjectId::new();
        let document = serialize_to_document(&owner.to_stored());
        let mut document = document.map_err(|error| MongodbError::corrupt(H::COLLECTION, owner.id(), error))?;
        document.insert("version", version);
        Ok((document, version))
    }
}

/// The filter for an owner's document at a version.
fn at_version(id: &str, version: impl Into<Bson>) -> Document {
    doc! { "_id": id, "version": version.into() }
}

/// Inserts an owner with its names. When its id or a name is taken, it stores nothing and frees what it reserved.
pub(crate) async fn create<H: UniqueNameOwner>(
    database: &Arc<Database>,
    owner: &H,
) -> Result<OwnerSaveOutcome, StoreError> {
    let reserved = match reserve_all(database, owner).await? {
        Ok(reserved) => reserved,
        Err(taken) => return Ok(taken),
    };
    let (document, version) = Stored::next(owner)?;
    if !database.insert(H::COLLECTION, &document).await? {
        release_unowned::<H>(database, owner.id(), reserved).await?;
        return Ok(OwnerSaveOutcome::IdTaken);
    }
    if let Err(taken) = reserve_all(database, owner).await? {
        let as_inserted = at_version(owner.id(), version);
        database.delete_one(H::COLLECTION, as_inserted).await?;
        release_unowned::<H>(database, owner.id(), owner.names()).await?;
        return Ok(taken);
    }
    Ok(OwnerSaveOutcome::Saved)
}

/// Replaces the owner with the same id, or inserts it, and frees the names that it had and gave up. When a name is
/// taken, the stored owner stays as it was. Idempotent.
pub(crate) async fn replace<H: UniqueNameOwner>(
    database: &Arc<Database>,
    owner: &H,
) -> Result<OwnerSaveOutcome, StoreError> {
    let id = owner.id();
    for _ in 0..MAX_SAVE_ATTEMPTS {
        let before = find_stored::<H>(database, id).await?;
        if let Err(taken) = reserve_all(database, owner).await? {
            return Ok(taken);
        }
        let (document, version) = Stored::next(owner)?;
        let is_written = match &before {
            Some(before) => {
                let as_found = at_version(id, before.version.clone());
                database.replace_one(H::COLLECTION, as_found, &document).await?
            }
            None => database.insert(H::COLLECTION, &document).await?,
        };
        if !is_written {
            continue;
        }
        if let Err(taken) = reserve_all(database, owner).await? {
            let as_written = at_version(id, version);
            match &before {
                Some(before) => {
                    let (document, _) = Stored::next(&before.owner)?;
                    database.replace_one(H::COLLECTION, as_written, &document).await?
                }
                None => database.delete_one(H::COLLECTION, as_written).await?,
            };
            release_unowned::<H>(database, id, owner.names()).await?;
            return Ok(taken);
        }
        let before = before.map(|before| before.owner.names()).unwrap_or_default();
        release_unowned::<H>(database, id, before).await?;
        return Ok(OwnerSaveOutcome::Saved);
    }
    Err(MongodbError::Contended.into())
}

/// Removes an owner and frees its names. Returns whether this call removed it.
///
/// The names go first. Scenario of the other order: the process dies between the two steps. A reservation without its
/// owner's document looks like an interrupted create, so the next user with that name would be created under the
/// removed id.
pub(crate) async fn remove<H: UniqueNameOwner>(database: &Arc<Database>, id: &str) -> Result<bool, StoreError> {
    for _ in 0..MAX_SAVE_ATTEMPTS {
        let Some(found) = find_stored::<H>(database, id).await? else {
            return Ok(false);
        };
        for name in found.owner.names() {
            free::<H>(database, &name, id).await?;
        }
        let as_found = at_version(id, found.version);
        if database.delete_one(H::COLLECTION, as_found).await? {
            return Ok(true);
        }
    }
    Err(MongodbError::Contended.into())
}

/// Returns the owner of a name: its document must have the name, a reservation alone does not count.
pub(crate) async fn find_by_name<H: UniqueNameOwner>(
    mut session: CausalSession,
    name: String,
) -> Result<Option<H>, MongodbError> {
    let found = session.find_one::<ReservationDocument>(H::RESERVATIONS, doc! { "_id": &name });
    let Some(reservation) = found.await? else {
        return Ok(None);
    };
    let found = session.find_one::<H::Document>(H::COLLECTION, doc! { "_id": reservation.owner });
    let owner = found.await?.map(H::from_stored).transpose()?;
    Ok(owner.filter(|owner| owner.names().contains(&name)))
}

async fn find_stored<H: UniqueNameOwner>(database: &Arc<Database>, id: &str) -> Result<Option<Stored<H>>, StoreError> {
    let found = database.find_after_write::<Document>(H::COLLECTION, id.to_owned());
    Ok(found.await?.map(Stored::read).transpose()?)
}

/// Reserves every name of an owner. Returns the names that it did not have before, or the first one that is taken; then
/// it frees what this call reserved.
async fn reserve_all<H: UniqueNameOwner>(
    database: &Arc<Database>,
    owner: &H,
) -> Result<Result<Vec<String>, OwnerSaveOutcome>, StoreError> {
    let mut reserved = Vec::new();
    for name in owner.names() {
        match reserve::<H>(database, &name, owner.id()).await? {
            ReserveOutcome::Reserved => reserved.push(name),
            ReserveOutcome::AlreadyOwned => {}
            ReserveOutcome::TakenBy(by) => {
                release_unowned::<H>(database, owner.id(), reserved).await?;
                return Ok(Err(OwnerSaveOutcome::NameTaken { name, by }));
            }
        }
    }
    Ok(Ok(reserved))
}

/// Reserves one name. A name whose owner exists without it is taken over. A name whose owner does not exist stays with
/// that owner, because its document may be about to be written.
async fn reserve<H: UniqueNameOwner>(
    database: &Arc<Database>,
    name: &str,
    owner: &str,
) -> Result<ReserveOutcome, StoreError> {
    for _ in 0..MAX_SAVE_ATTEMPTS {
        let own = doc! { "_id": name, "holder": owner };
        let raise = doc! { "$inc": { "version": 1_i64 } };
        if database.update_one(H::RESERVATIONS, own, raise).await? {
            return Ok(ReserveOutcome::AlreadyOwned);
        }
        let new = ReservationDocument {
            name: name.to_owned(),
            owner: owner.to_owned(),
            version: 1,
        };
        if database.insert(H::RESERVATIONS, &new).await? {
            return Ok(ReserveOutcome::Reserved);
        }
        let found = database.find_after_write::<ReservationDocument>(H::RESERVATIONS, name.to_owned());
        let Some(found) = found.await?.filter(|found| found.owner != owner) else {
            continue;
        };
        let other = find_stored::<H>(database, &found.owner).await?;
        if other.is_none_or(|other| other.owner.names().iter().any(|owned| owned == name)) {
            return Ok(ReserveOutcome::TakenBy(found.owner));
        }
        let as_found = doc! { "_id": name, "holder": &found.owner, "version": found.version };
        let take_over = doc! { "$set": { "holder": owner }, "$inc": { "version": 1_i64 } };
        if database.update_one(H::RESERVATIONS, as_found, take_over).await? {
            return Ok(ReserveOutcome::Reserved);
        }
    }
    Err(MongodbError::Contended.into())
}

/// Frees those of the names that the owner, as it is stored now, does not have.
async fn release_unowned<H: UniqueNameOwner>(
    database: &Arc<Database>,
    id: &str,
    names: Vec<String>,
) -> Result<(), StoreError> {
    if names.is_empty() {
        return Ok(());
    }
    let stored = find_stored::<H>(database, id).await?;
    let owned = stored.map(|stored| stored.owner.names()).unwrap_or_default();
    for name in names.iter().filter(|name| !owned.contains(name)) {
        free::<H>(database, name, id).await?;
    }
    Ok(())
}

async fn free<H: UniqueNameOwner>(database: &Arc<Database>, name: &str, id: &str) -> Result<(), StoreError> {
    let own = doc! { "_id": name, "holder": id };
    database.delete_one(H::RESERVATIONS, own).await.map(drop)
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
}
