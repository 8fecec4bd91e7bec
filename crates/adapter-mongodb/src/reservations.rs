//! Names that are unique because each is an `_id` of its own.
//!
//! The holder's document says which names are its; a reservation is made before that document is written, so a crash
//! between the two leaves a name that its holder can still finish. It is confirmed afterwards: a name whose holder seemed
//! to have given it up may have been taken over, or freed, in between. Whoever finds its own name with another then takes
//! its write back.

use mongodb::bson::doc;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::fault::Fault;
use crate::session::Session;

/// How often a name is tried for when others take and free it at the same time.
const ATTEMPTS: usize = 16;

/// Something with names that no other of its kind has.
pub(crate) trait Holder: Sized + Send + Sync {
    const COLLECTION: &'static str;
    const RESERVATIONS: &'static str;
    type Document: Serialize + DeserializeOwned + Send + Sync;

    fn id(&self) -> &str;

    fn names(&self) -> Vec<String>;

    fn to_stored(&self) -> Self::Document;

    fn from_stored(stored: Self::Document) -> Result<Self, Fault>;
}

#[derive(Debug, Serialize, Deserialize)]
struct ReservationDocument {
    #[serde(rename = "_id")]
    name: String,
    holder: String,
    /// Raised by every reservation: a name that was looked at and reserved anew meanwhile is not taken over.
    version: i64,
}

/// What saving a holder came to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum HolderSaving {
    Saved,
    NameTaken { name: String, by: String },
    IdTaken,
}

/// What reserving one name came to.
enum Reserving {
    Reserved,
    HadIt,
    TakenBy(String),
}

/// Inserts a holder. When it is refused, nothing of it stays reserved.
pub(crate) async fn create<H: Holder>(mut session: Session, holder: H) -> Result<HolderSaving, Fault> {
    let reserved = match reserve_all(&mut session, &holder).await? {
        Ok(reserved) => reserved,
        Err(taken) => return Ok(taken),
    };
    if !session.insert(H::COLLECTION, &holder.to_stored()).await? {
        free_unheld::<H>(&mut session, holder.id(), reserved).await?;
        return Ok(HolderSaving::IdTaken);
    }
    if let Err(taken) = reserve_all(&mut session, &holder).await? {
        session.delete_one(H::COLLECTION, doc! { "_id": holder.id() }).await?;
        free_unheld::<H>(&mut session, holder.id(), holder.names()).await?;
        return Ok(taken);
    }
    Ok(HolderSaving::Saved)
}

/// Puts a holder in the place of the one with its id, or inserts it; names it gave up are free afterwards.
pub(crate) async fn replace<H: Holder>(mut session: Session, holder: H) -> Result<HolderSaving, Fault> {
    let before = find::<H>(&mut session, holder.id()).await?;
    if let Err(taken) = reserve_all(&mut session, &holder).await? {
        return Ok(taken);
    }
    session.replace(H::COLLECTION, holder.id(), &holder.to_stored()).await?;
    if let Err(taken) = reserve_all(&mut session, &holder).await? {
        match &before {
            Some(before) => session.replace(H::COLLECTION, holder.id(), &before.to_stored()).await?,
            None => drop(session.delete_one(H::COLLECTION, doc! { "_id": holder.id() }).await?),
        }
        free_unheld::<H>(&mut session, holder.id(), holder.names()).await?;
        return Ok(taken);
    }
    let before = before.map(|before| before.names()).unwrap_or_default();
    free_unheld::<H>(&mut session, holder.id(), before).await?;
    Ok(HolderSaving::Saved)
}

/// Removes a holder; whether this call did. Its names go first: one that outlived its holder would lead the next with
/// that name to the old id.
pub(crate) async fn remove<H: Holder>(mut session: Session, id: String) -> Result<bool, Fault> {
    let Some(holder) = find::<H>(&mut session, &id).await? else {
        return Ok(false);
    };
    for name in holder.names() {
        free::<H>(&mut session, &name, &id).await?;
    }
    session.delete_one(H::COLLECTION, doc! { "_id": id }).await
}

/// The holder of a name. Its own document has the last word.
pub(crate) async fn find_by_name<H: Holder>(mut session: Session, name: String) -> Result<Option<H>, Fault> {
    let Some(reservation) = reservation::<H>(&mut session, &name).await? else {
        return Ok(None);
    };
    let holder = find::<H>(&mut session, &reservation.holder).await?;
    Ok(holder.filter(|holder| holder.names().contains(&name)))
}

async fn find<H: Holder>(session: &mut Session, id: &str) -> Result<Option<H>, Fault> {
    let found = session.find_one::<H::Document>(H::COLLECTION, doc! { "_id": id });
    found.await?.map(H::from_stored).transpose()
}

async fn reservation<H: Holder>(session: &mut Session, name: &str) -> Result<Option<ReservationDocument>, Fault> {
    session.find_one(H::RESERVATIONS, doc! { "_id": name }).await
}

/// Reserves every name; those this call reserved, or the first that another has.
async fn reserve_all<H: Holder>(session: &mut Session, holder: &H) -> Result<Result<Vec<String>, HolderSaving>, Fault> {
    let mut reserved = Vec::new();
    for name in holder.names() {
        match reserve::<H>(session, &name, holder.id()).await? {
            Reserving::Reserved => reserved.push(name),
            Reserving::HadIt => {}
            Reserving::TakenBy(by) => {
                free_unheld::<H>(session, holder.id(), reserved).await?;
                return Ok(Err(HolderSaving::NameTaken { name, by }));
            }
        }
    }
    Ok(Ok(reserved))
}

/// Reserves one name. One whose holder exists and has it no more is taken over; one whose holder does not exist stays
/// its own, because it is about to be written.
async fn reserve<H: Holder>(session: &mut Session, name: &str, holder: &str) -> Result<Reserving, Fault> {
    for _ in 0..ATTEMPTS {
        let own = doc! { "_id": name, "holder": holder };
        let raise = doc! { "$inc": { "version": 1_i64 } };
        if session.update_one(H::RESERVATIONS, own, raise).await? {
            return Ok(Reserving::HadIt);
        }
        let new = ReservationDocument {
            name: name.to_owned(),
            holder: holder.to_owned(),
            version: 1,
        };
        if session.insert(H::RESERVATIONS, &new).await? {
            return Ok(Reserving::Reserved);
        }
        let found = reservation::<H>(session, name).await?;
        let Some(found) = found.filter(|found| found.holder != holder) else {
            continue;
        };
        let other = find::<H>(session, &found.holder).await?;
        if other.is_none_or(|other| other.names().iter().any(|held| held == name)) {
            return Ok(Reserving::TakenBy(found.holder));
        }
        let as_found = doc! { "_id": name, "holder": &found.holder, "version": found.version };
        let take_over = doc! { "$set": { "holder": holder }, "$inc": { "version": 1_i64 } };
        if session.update_one(H::RESERVATIONS, as_found, take_over).await? {
            return Ok(Reserving::Reserved);
        }
    }
    Err(Fault::Contended)
}

/// Frees those names that the holder, as it is stored now, does not have.
async fn free_unheld<H: Holder>(session: &mut Session, id: &str, names: Vec<String>) -> Result<(), Fault> {
    if names.is_empty() {
        return Ok(());
    }
    let held = find::<H>(session, id).await?.map(|holder| holder.names());
    let held = held.unwrap_or_default();
    for name in names.iter().filter(|name| !held.contains(name)) {
        free::<H>(session, name, id).await?;
    }
    Ok(())
}

async fn free<H: Holder>(session: &mut Session, name: &str, id: &str) -> Result<(), Fault> {
    let own = doc! { "_id": name, "holder": id };
    session.delete_one(H::RESERVATIONS, own).await.map(drop)
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
