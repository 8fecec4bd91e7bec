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

use mongodb::bson::{Document, doc, oid::ObjectId};
use ports::StoreError;
use serde::{Deserialize, Serialize};

use crate::connection::{self, CALL_TIMEOUT};
use crate::database::Database;
use crate::driver_session::CausalSession;
use crate::error::MongodbError;
use crate::outbox;
use crate::owners::{UniqueNameOwner, find_stored, new_document, read_owner, replace_document, unchanged_filter};
use crate::tombstones;

/// The maximum number of attempts to reserve a name, or to save an owner, while other callers change the same
/// documents. Each failed attempt means that another caller succeeded, so 16 attempts are enough against 15 other
/// callers.
const MAX_ATTEMPTS: usize = 16;

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
    /// A random id that differs after every insert. Null in documents that were stored before it existed. Scenario: A
    /// reads the reservations of a removed user. B deletes them, and a new user of the same id reserves the same name,
    /// with the same version. A's delete requires the id that A read, so it does not match.
    #[serde(default, rename = "writeId", skip_serializing_if = "Option::is_none")]
    write_id: Option<ObjectId>,
}

/// The outcome of saving an owner.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum OwnerSaveOutcome {
    Saved,
    NameTaken {
        name: String,
        by: String,
    },
    IdTaken,
    /// The id has a tombstone that may not be replaced.
    Removed,
}

/// The outcome of reserving one name.
enum ReserveOutcome {
    Reserved,
    /// The reservation already named this owner.
    AlreadyOwned,
    TakenBy(String),
}

/// Inserts an owner with its names, or replaces a tombstone of which nothing is pending. When its id or a name is taken,
/// it stores nothing and releases what it reserved.
pub(crate) async fn create<O: UniqueNameOwner>(
    database: &Arc<Database>,
    owner: &O,
) -> Result<OwnerSaveOutcome, StoreError> {
    let newly_reserved = match reserve_all(database, owner).await? {
        Ok(names) => names,
        Err(rejection) => return Ok(rejection),
    };
    let (document, write_id) = new_document(owner)?;
    let tombstone = match insert::<O>(database, owner.id(), &document).await? {
        Insertion::New => None,
        Insertion::OverTombstone => Some(tombstones::settled(ObjectId::new())),
        Insertion::Rejected(rejection) => {
            release_unlisted::<O>(database, owner.id(), newly_reserved).await?;
            return Ok(rejection);
        }
    };
    if let Err(rejection) = reserve_all(database, owner).await? {
        let filter = unchanged_filter(owner.id(), write_id);
        match tombstone {
            Some(tombstone) => {
                let update = outbox::replace_update(tombstone, Vec::new())?;
                database.update_one(O::COLLECTION, filter, update).await?
            }
            None => database.delete_one(O::COLLECTION, filter).await?,
        };
        release_unlisted::<O>(database, owner.id(), owner.names()).await?;
        return Ok(rejection);
    }
    Ok(OwnerSaveOutcome::Saved)
}

/// The outcome of inserting an owner's document.
enum Insertion {
    New,
    OverTombstone,
    Rejected(OwnerSaveOutcome),
}

async fn insert<O: UniqueNameOwner>(
    database: &Arc<Database>,
    id: &str,
    document: &Document,
) -> Result<Insertion, StoreError> {
    if database.insert(O::COLLECTION, document).await? {
        return Ok(Insertion::New);
    }
    let stored = find_stored::<O>(database, id).await?;
    let Some(stored) = stored.filter(|stored| stored.owner.is_none()) else {
        return Ok(Insertion::Rejected(OwnerSaveOutcome::IdTaken));
    };
    if stored.is_pending {
        return Ok(Insertion::Rejected(OwnerSaveOutcome::Removed));
    }
    let filter = unchanged_filter(id, stored.write_id);
    let is_replaced = database.update_one(O::COLLECTION, filter, replace_document(document)?);
    Ok(if is_replaced.await? {
        Insertion::OverTombstone
    } else {
        Insertion::Rejected(OwnerSaveOutcome::IdTaken)
    })
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
        if previous.as_ref().is_some_and(|previous| previous.owner.is_none()) {
            return Ok(OwnerSaveOutcome::Removed);
        }
        if let Err(rejection) = reserve_all(database, owner).await? {
            return Ok(rejection);
        }
        let (document, write_id) = new_document(owner)?;
        let is_written = match &previous {
            Some(previous) => {
                let filter = unchanged_filter(id, previous.write_id.clone());
                database
                    .update_one(O::COLLECTION, filter, replace_document(&document)?)
                    .await?
            }
            None => database.insert(O::COLLECTION, &document).await?,
        };
        if !is_written {
            continue;
        }
        if let Err(rejection) = reserve_all(database, owner).await? {
            let filter = unchanged_filter(id, write_id);
            match previous.and_then(|previous| previous.owner) {
                Some(previous) => {
                    let (document, _) = new_document(&previous)?;
                    database
                        .update_one(O::COLLECTION, filter, replace_document(&document)?)
                        .await?
                }
                None => database.delete_one(O::COLLECTION, filter).await?,
            };
            release_unlisted::<O>(database, id, owner.names()).await?;
            return Ok(rejection);
        }
        let previous_names = previous.map(|previous| previous.names()).unwrap_or_default();
        release_unlisted::<O>(database, id, previous_names).await?;
        return Ok(OwnerSaveOutcome::Saved);
    }
    Err(MongodbError::Contended.into())
}

/// Deletes the reservations of an owner whose tombstone has the part `logins` pending, or that were left by an
/// interrupted save of it. Reservations that another owner took over meanwhile stay.
pub(crate) async fn release_removed<O: UniqueNameOwner>(database: &Arc<Database>, id: &str) -> Result<(), StoreError> {
    let holder = id.to_owned();
    let reserved = database.read(|connection| async move {
        let reservations = connection.collection::<ReservationDocument>(O::RESERVATIONS);
        connection::all(
            reservations
                .find(doc! { "holder": holder })
                .max_time(CALL_TIMEOUT)
                .await,
        )
        .await
    });
    let reserved = reserved.await?;
    // Read after the reservations: a new user of this id has reserved others.
    let stored = find_stored::<O>(database, id).await?;
    if stored.is_none_or(|stored| stored.owner.is_some()) {
        return Ok(());
    }
    for ReservationDocument {
        name,
        owner,
        version,
        write_id,
    } in reserved
    {
        let unchanged = doc! { "_id": name, "holder": owner, "version": version, "writeId": write_id };
        database.delete_one(O::RESERVATIONS, unchanged).await?;
    }
    Ok(())
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
        .transpose()?
        .flatten();
    Ok(owner.filter(|owner| owner.names().contains(&name)))
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
            write_id: Some(ObjectId::new()),
        };
        if database.insert(O::RESERVATIONS, &new).await? {
            return Ok(ReserveOutcome::Reserved);
        }
        let found = database.find_after_write::<ReservationDocument>(O::RESERVATIONS, name.to_owned());
        let Some(found) = found.await?.filter(|found| found.owner != owner) else {
            continue;
        };
        let other = find_stored::<O>(database, &found.owner).await?;
        if other.is_none_or(|other| other.names().iter().any(|listed| listed == name)) {
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
    let listed = stored.map(|stored| stored.names()).unwrap_or_default();
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
            write_id: None,
        });
        insta::assert_snapshot!(stored.unwrap(), @r#"{ "_id": "ada@example.com", "holder": "5efd263cbe2d398bb00b97ea", "version": 1 }"#);
    }
}
