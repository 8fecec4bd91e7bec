//! Names that are unique because each is an `_id` of its own.
//!
//! The holder's document says which names are its; a reservation is made before that document is written, so a crash
//! between the two leaves a name that its holder can still finish. It is confirmed afterwards: a name whose holder seemed
//! to have given it up may have been taken over, or freed, in between. Whoever finds its own name with another then takes
//! its write back.
//!
//! Each step is a call of its own, conditional on what the one before found. When the caller goes away between two of them
//! that is such a crash: the next step is not made, and the last one lands at most as it was sent.

use std::sync::Arc;

use mongodb::bson::{Bson, Document, deserialize_from_document, doc, oid::ObjectId, serialize_to_document};
use ports::StoreError;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::causal_session::CausalSession;
use crate::database::Database;
use crate::error::MongodbError;

/// How often a name or a holder is tried for when others change it at the same time.
const ATTEMPTS: usize = 16;

/// Something with names that no other of its kind has.
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
    holder: String,
    /// Raised by every reservation: a name that was looked at and reserved anew meanwhile is not taken over.
    version: i64,
}

/// What saving a holder came to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum OwnerSaveOutcome {
    Saved,
    NameTaken { name: String, by: String },
    IdTaken,
}

/// What reserving one name came to.
enum ReserveOutcome {
    Reserved,
    HadIt,
    TakenBy(String),
}

/// A holder as it is stored.
struct Stored<H> {
    holder: H,
    /// Another with every write, and never the same again; null in a document from before there were any.
    version: Bson,
}

impl<H: UniqueNameOwner> Stored<H> {
    fn read(mut stored: Document) -> Result<Self, MongodbError> {
        let version = stored.remove("version").unwrap_or(Bson::Null);
        let document = deserialize_from_document(stored).map_err(|error| MongodbError::read(&error.into()))?;
        Ok(Self {
            holder: H::from_stored(document)?,
            version,
        })
    }

    /// The document of the next version.
    fn next(holder: &H) -> Result<(Document, ObjectId), MongodbError> {
        let version = ObjectId::new();
        let document = serialize_to_document(&holder.to_stored());
        let mut document = document.map_err(|error| MongodbError::corrupt(H::COLLECTION, holder.id(), error))?;
        document.insert("version", version);
        Ok((document, version))
    }
}

fn at_version(id: &str, version: impl Into<Bson>) -> Document {
    doc! { "_id": id, "version": version.into() }
}

/// Inserts a holder. When it is refused, nothing of it stays reserved.
pub(crate) async fn create<H: UniqueNameOwner>(
    database: &Arc<Database>,
    holder: &H,
) -> Result<OwnerSaveOutcome, StoreError> {
    let reserved = match reserve_all(database, holder).await? {
        Ok(reserved) => reserved,
        Err(taken) => return Ok(taken),
    };
    let (document, version) = Stored::next(holder)?;
    if !database.insert(H::COLLECTION, &document).await? {
        release_unowned::<H>(database, holder.id(), reserved).await?;
        return Ok(OwnerSaveOutcome::IdTaken);
    }
    if let Err(taken) = reserve_all(database, holder).await? {
        let as_inserted = at_version(holder.id(), version);
        database.delete_one(H::COLLECTION, as_inserted).await?;
        release_unowned::<H>(database, holder.id(), holder.names()).await?;
        return Ok(taken);
    }
    Ok(OwnerSaveOutcome::Saved)
}

/// Puts a holder in the place of the one with its id, or inserts it; names it gave up are free afterwards.
pub(crate) async fn replace<H: UniqueNameOwner>(
    database: &Arc<Database>,
    holder: &H,
) -> Result<OwnerSaveOutcome, StoreError> {
    let id = holder.id();
    for _ in 0..ATTEMPTS {
        let before = find_stored::<H>(database, id).await?;
        if let Err(taken) = reserve_all(database, holder).await? {
            return Ok(taken);
        }
        let (document, version) = Stored::next(holder)?;
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
        if let Err(taken) = reserve_all(database, holder).await? {
            let as_written = at_version(id, version);
            match &before {
                Some(before) => {
                    let (document, _) = Stored::next(&before.holder)?;
                    database.replace_one(H::COLLECTION, as_written, &document).await?
                }
                None => database.delete_one(H::COLLECTION, as_written).await?,
            };
            release_unowned::<H>(database, id, holder.names()).await?;
            return Ok(taken);
        }
        let before = before.map(|before| before.holder.names()).unwrap_or_default();
        release_unowned::<H>(database, id, before).await?;
        return Ok(OwnerSaveOutcome::Saved);
    }
    Err(MongodbError::Contended.into())
}

/// Removes a holder; whether this call did. Its names go first: one that outlived its holder would lead the next with
/// that name to the old id.
pub(crate) async fn remove<H: UniqueNameOwner>(database: &Arc<Database>, id: &str) -> Result<bool, StoreError> {
    for _ in 0..ATTEMPTS {
        let Some(found) = find_stored::<H>(database, id).await? else {
            return Ok(false);
        };
        for name in found.holder.names() {
            free::<H>(database, &name, id).await?;
        }
        let as_found = at_version(id, found.version);
        if database.delete_one(H::COLLECTION, as_found).await? {
            return Ok(true);
        }
    }
    Err(MongodbError::Contended.into())
}

/// The holder of a name. Its own document has the last word.
pub(crate) async fn find_by_name<H: UniqueNameOwner>(
    mut session: CausalSession,
    name: String,
) -> Result<Option<H>, MongodbError> {
    let found = session.find_one::<ReservationDocument>(H::RESERVATIONS, doc! { "_id": &name });
    let Some(reservation) = found.await? else {
        return Ok(None);
    };
    let found = session.find_one::<H::Document>(H::COLLECTION, doc! { "_id": reservation.holder });
    let holder = found.await?.map(H::from_stored).transpose()?;
    Ok(holder.filter(|holder| holder.names().contains(&name)))
}

async fn find_stored<H: UniqueNameOwner>(database: &Arc<Database>, id: &str) -> Result<Option<Stored<H>>, StoreError> {
    let found = database.find_after_write::<Document>(H::COLLECTION, id.to_owned());
    Ok(found.await?.map(Stored::read).transpose()?)
}

/// Reserves every name; those this call reserved, or the first that another has.
async fn reserve_all<H: UniqueNameOwner>(
    database: &Arc<Database>,
    holder: &H,
) -> Result<Result<Vec<String>, OwnerSaveOutcome>, StoreError> {
    let mut reserved = Vec::new();
    for name in holder.names() {
        match reserve::<H>(database, &name, holder.id()).await? {
            ReserveOutcome::Reserved => reserved.push(name),
            ReserveOutcome::HadIt => {}
            ReserveOutcome::TakenBy(by) => {
                release_unowned::<H>(database, holder.id(), reserved).await?;
                return Ok(Err(OwnerSaveOutcome::NameTaken { name, by }));
            }
        }
    }
    Ok(Ok(reserved))
}

/// Reserves one name. One whose holder exists and has it no more is taken over; one whose holder does not exist stays
/// its own, because it is about to be written.
async fn reserve<H: UniqueNameOwner>(
    database: &Arc<Database>,
    name: &str,
    holder: &str,
) -> Result<ReserveOutcome, StoreError> {
    for _ in 0..ATTEMPTS {
        let own = doc! { "_id": name, "holder": holder };
        let raise = doc! { "$inc": { "version": 1_i64 } };
        if database.update_one(H::RESERVATIONS, own, raise).await? {
            return Ok(ReserveOutcome::HadIt);
        }
        let new = ReservationDocument {
            name: name.to_owned(),
            holder: holder.to_owned(),
            version: 1,
        };
        if database.insert(H::RESERVATIONS, &new).await? {
            return Ok(ReserveOutcome::Reserved);
        }
        let found = database.find_after_write::<ReservationDocument>(H::RESERVATIONS, name.to_owned());
        let Some(found) = found.await?.filter(|found| found.holder != holder) else {
            continue;
        };
        let other = find_stored::<H>(database, &found.holder).await?;
        if other.is_none_or(|other| other.holder.names().iter().any(|held| held == name)) {
            return Ok(ReserveOutcome::TakenBy(found.holder));
        }
        let as_found = doc! { "_id": name, "holder": &found.holder, "version": found.version };
        let take_over = doc! { "$set": { "holder": holder }, "$inc": { "version": 1_i64 } };
        if database.update_one(H::RESERVATIONS, as_found, take_over).await? {
            return Ok(ReserveOutcome::Reserved);
        }
    }
    Err(MongodbError::Contended.into())
}

/// Frees those names that the holder, as it is stored now, does not have.
async fn release_unowned<H: UniqueNameOwner>(
    database: &Arc<Database>,
    id: &str,
    names: Vec<String>,
) -> Result<(), StoreError> {
    if names.is_empty() {
        return Ok(());
    }
    let held = find_stored::<H>(database, id).await?;
    let held = held.map(|held| held.holder.names()).unwrap_or_default();
    for name in names.iter().filter(|name| !held.contains(name)) {
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
            holder: "5efd263cbe2d398bb00b97ea".to_owned(),
            version: 1,
        });
        insta::assert_snapshot!(stored.unwrap(), @r#"{ "_id": "ada@example.com", "holder": "5efd263cbe2d398bb00b97ea", "version": 1 }"#);
    }
}
