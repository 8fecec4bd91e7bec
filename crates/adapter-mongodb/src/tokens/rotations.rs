//! Rotations that are asked for at the same time are made by one command, each by an update of its own.

use std::sync::Arc;
use std::time::Duration;

use domain::time::{self, Timestamp};
use domain::tokens::{Nonce, Presented, RefreshFamily};
use mongodb::bson::{Document, doc};
use ports::tokens::Rotation;

use super::refresh_families::{COLLECTION, RefreshFamilyDocument, alive};
use crate::database::{self, Database, Found, Session};
use crate::fault::Fault;
use crate::gathered::Gathered;
use crate::stored::{binary, date, integer};

pub(super) type Rotations = Gathered<Asked, Outcome>;

/// A family that cannot be read fails for its own caller only.
pub(super) type Outcome = Result<Rotation, Fault>;

pub(super) struct Asked {
    pub(super) presented: Presented,
    pub(super) nonce: Nonce,
    pub(super) now: Timestamp,
    pub(super) idle_lifetime: Duration,
}

impl Asked {
    fn family(&self) -> &str {
        self.presented.token.family.as_str()
    }

    /// The compare-and-swap of 03-protocols 1: the condition stands in the update itself.
    fn update(&self) -> Document {
        let token = &self.presented.token;
        let mut current = alive(&self.presented, self.now);
        current.insert("generation", integer(token.generation));
        current.insert("nonce", binary(&token.nonce.0));
        let idle = date(time::after(self.now, self.idle_lifetime));
        let next = doc! {
            "previousNonce": binary(&token.nonce.0),
            "nonce": binary(&self.nonce.0),
            "generation": integer(token.generation.saturating_add(1)),
            "rotatedAt": date(self.now),
            "idleExpiresAt": { "$min": ["$absoluteExpiresAt", idle] },
        };
        doc! { "q": current, "u": [{ "$set": next }] }
    }

    /// What became of it, when not all that were made with it matched. A nonce is made for one rotation only, so a family
    /// that has it was moved on by that one; since then it may have been moved on once more.
    fn outcome(&self, found: &Found) -> Outcome {
        let Some(found) = found.get(self.family()) else {
            return Ok(Rotation::Unknown);
        };
        let family = RefreshFamily::try_from(database::document::<RefreshFamilyDocument>(found)?)?;
        let nonces = [Some(family.nonce), family.previous_nonce];
        Ok(if nonces.contains(&Some(self.nonce)) {
            Rotation::Rotated
        } else {
            Rotation::Superseded(family)
        })
    }
}

/// Makes them once more when the outcome of the first time is not known: what was done then does not match again, and is
/// recognised.
pub(super) async fn rotate_together(database: Arc<Database>, asked: Vec<Asked>) -> Result<Vec<Outcome>, Fault> {
    let asked: Arc<[Asked]> = asked.into();
    match database::in_session(database.clone(), |session| rotate(session, asked.clone())).await {
        Err(Fault::Write(_)) => database::in_session(database, |session| rotate(session, asked)).await,
        done => done,
    }
}

async fn rotate(mut session: Session, asked: Arc<[Asked]>) -> Result<Vec<Outcome>, Fault> {
    // A server that makes them in one transaction locks the families in the order of another's.
    let mut ordered: Vec<&Asked> = asked.iter().collect();
    ordered.sort_by_key(|asked| asked.family());
    let updates = ordered.iter().map(|asked| asked.update()).collect();
    if session.update_each(COLLECTION, updates).await? == asked.len() {
        return Ok(asked.iter().map(|_| Ok(Rotation::Rotated)).collect());
    }
    let mut families: Vec<_> = ordered.iter().map(|asked| asked.family().to_owned()).collect();
    families.dedup();
    let found = session.find_each(COLLECTION, &families).await;
    let found = found.map_err(|fault| match fault {
        // Some of them were made.
        Fault::Read(failure) => Fault::Write(failure),
        fault => fault,
    })?;
    Ok(asked.iter().map(|asked| asked.outcome(&found)).collect())
}
