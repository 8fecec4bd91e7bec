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

#[cfg(test)]
mod tests {
    use domain::ids::{ClientId, FamilyId, UserId};
    use domain::tokens::{FamilyStatus, Origin};
    use mongodb::bson::{rawdoc, serialize_to_raw_document_buf};

    use super::*;

    const IDLE: Duration = Duration::from_mins(1);

    fn family() -> RefreshFamily {
        let id = FamilyId::parse("family-1").unwrap();
        RefreshFamily {
            id: id.clone(),
            origin: Origin {
                user: UserId::parse("user-1").unwrap(),
                client: ClientId::parse("portal").unwrap(),
                business: None,
                groups: Vec::new(),
                root: id,
                epoch: 0,
            },
            generation: 1,
            nonce: Nonce([1; 16]),
            previous_nonce: None,
            rotated_at: Timestamp::UNIX_EPOCH,
            absolute_expires_at: time::after(Timestamp::UNIX_EPOCH, IDLE),
            idle_expires_at: time::after(Timestamp::UNIX_EPOCH, IDLE),
            status: FamilyStatus::Active,
        }
    }

    fn rotated(family: &RefreshFamily, nonce: u8) -> RefreshFamily {
        family.rotated(Nonce([nonce; 16]), Timestamp::UNIX_EPOCH, IDLE)
    }

    /// Asks for the rotation of the first token with nonce 2.
    fn asked() -> Asked {
        let RefreshFamily { origin, .. } = family();
        Asked {
            presented: Presented {
                token: family().current_token(),
                client: origin.client,
                user: origin.user,
            },
            nonce: Nonce([2; 16]),
            now: Timestamp::UNIX_EPOCH,
            idle_lifetime: IDLE,
        }
    }

    fn outcome(found: &RefreshFamily) -> Rotation {
        let document = serialize_to_raw_document_buf(&RefreshFamilyDocument::from(found)).unwrap();
        let found = Found::from([(found.id.to_string(), document)]);
        asked().outcome(&found).unwrap()
    }

    #[test]
    fn a_family_with_its_nonce_was_rotated_by_it() {
        let second = rotated(&family(), 2);
        assert_eq!(outcome(&second), Rotation::Rotated);
        assert_eq!(outcome(&rotated(&second, 3)), Rotation::Rotated);
    }

    #[test]
    fn a_family_without_it_was_not() {
        let by_another = rotated(&family(), 3);
        for found in [family(), rotated(&by_another, 4), by_another] {
            assert_eq!(outcome(&found), Rotation::Superseded(found));
        }
        assert!(matches!(asked().outcome(&Found::new()), Ok(Rotation::Unknown)));
    }

    #[test]
    fn a_family_that_cannot_be_read_fails_for_those_who_asked_for_it() {
        let found = Found::from([("family-1".to_owned(), rawdoc! { "_id": "family-1" })]);
        assert!(matches!(asked().outcome(&found), Err(Fault::Corrupt { .. })));
    }
}
