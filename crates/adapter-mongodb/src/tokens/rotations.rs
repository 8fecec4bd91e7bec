//! Rotations that are asked for at the same time are made by one command, each by an update of its own.

use std::sync::Arc;
use std::time::Duration;

use domain::time::{self, Timestamp};
use domain::tokens::{Nonce, Presented, RefreshFamily};
use mongodb::bson::{Document, doc};
use ports::tokens::Rotation;
use tokio::time::Instant;

use super::refresh_families::{COLLECTION, RefreshFamilyDocument, alive};
use crate::database::{self, Database, Found};
use crate::fault::{DriverFailure, Fault};
use crate::gathered::Gathered;
use crate::session::{Session, in_session};
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

    /// What became of it, when not all matched that were made with it.
    ///
    /// A nonce is made for one rotation only, so a family that has it was moved on by that one. A family keeps the nonces of
    /// two generations: when it has gone on further, and one of this command may have done the first step, nobody knows whose
    /// step that was.
    fn outcome(&self, found: &Found, some_matched: bool) -> Outcome {
        let Some(found) = found.get(self.family()) else {
            return Ok(Rotation::Unknown);
        };
        let family = RefreshFamily::try_from(database::document::<RefreshFamilyDocument>(found)?)?;
        if [Some(family.nonce), family.previous_nonce].contains(&Some(self.nonce)) {
            return Ok(Rotation::Rotated);
        }
        if some_matched && family.generation.saturating_sub(self.presented.token.generation) > 2 {
            return Err(Fault::Write(DriverFailure::overtaken()));
        }
        Ok(Rotation::Superseded(family))
    }
}

/// Makes them once more when the outcome of the first time is not known: what was done then does not match again, and is
/// recognised.
pub(super) async fn rotate_together(database: Arc<Database>, asked: Vec<Asked>) -> Result<Vec<Outcome>, Fault> {
    let asked: Arc<[Asked]> = asked.into();
    let attempt = |is_again| {
        let asked = asked.clone();
        in_session(database.clone(), move |session| rotate(session, asked, is_again))
    };
    twice(attempt).await
}

/// Later than this those who asked have hardly time for another attempt, or have left.
const AGAIN_WITHIN: Duration = Duration::from_secs(1);

/// Tells the attempt whether it is the second.
async fn twice<T, F>(attempt: impl Fn(bool) -> F) -> Result<T, Fault>
where
    F: Future<Output = Result<T, Fault>>,
{
    let begun = Instant::now();
    match attempt(false).await {
        Err(Fault::Write(first)) if begun.elapsed() < AGAIN_WITHIN => {
            attempt(true).await.map_err(|second| match second {
                // It did nothing; the first may have.
                Fault::Read(_) => Fault::Write(first),
                second => second,
            })
        }
        done => done,
    }
}

async fn rotate(mut session: Session, asked: Arc<[Asked]>, is_again: bool) -> Result<Vec<Outcome>, Fault> {
    let updates = asked.iter().map(|asked| (asked.family(), asked.update())).collect();
    let matched = session.update_each(COLLECTION, updates).await?;
    if matched == asked.len() {
        return Ok(asked.iter().map(|_| Ok(Rotation::Rotated)).collect());
    }
    let some_matched = matched > 0 || is_again;
    let families: Vec<_> = asked.iter().map(|asked| asked.family().to_owned()).collect();
    let found = session.find_each(COLLECTION, &families).await;
    let found = found.map_err(|fault| match fault {
        Fault::Read(failure) if some_matched => Fault::Write(failure),
        fault => fault,
    })?;
    let outcomes = asked.iter().map(|asked| asked.outcome(&found, some_matched));
    Ok(outcomes.collect())
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use domain::ids::{ClientId, FamilyId, UserId};
    use domain::tokens::{FamilyStatus, Origin};
    use mongodb::bson::{rawdoc, serialize_to_raw_document_buf};
    use tokio::time::sleep;

    use super::*;

    const IDLE: Duration = Duration::from_mins(1);

    fn family() -> RefreshFamily {
        RefreshFamily {
            id: FamilyId::parse("family-1").unwrap(),
            origin: Origin {
                user: UserId::parse("user-1").unwrap(),
                client: ClientId::parse("portal").unwrap(),
                business: None,
                groups: Vec::new(),
                ancestors: Vec::new(),
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

    fn stored(family: &RefreshFamily) -> Found {
        let document = serialize_to_raw_document_buf(&RefreshFamilyDocument::from(family)).unwrap();
        Found::from([(family.id.to_string(), document)])
    }

    fn outcome(found: &RefreshFamily) -> Rotation {
        asked().outcome(&stored(found), true).unwrap()
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
        assert!(matches!(asked().outcome(&Found::new(), true), Ok(Rotation::Unknown)));
    }

    #[test]
    fn of_a_family_that_went_on_further_nobody_knows_unless_nothing_matched() {
        let fourth = rotated(&rotated(&rotated(&family(), 3), 4), 5);
        let found = stored(&fourth);
        assert!(matches!(asked().outcome(&found, true), Err(Fault::Write(_))));
        let outcome = asked().outcome(&found, false).unwrap();
        assert_eq!(outcome, Rotation::Superseded(fourth));
    }

    #[test]
    fn a_family_that_cannot_be_read_fails_for_those_who_asked_for_it() {
        let found = Found::from([("family-1".to_owned(), rawdoc! { "_id": "family-1" })]);
        assert!(matches!(asked().outcome(&found, true), Err(Fault::Corrupt { .. })));
    }

    /// What comes of two attempts that take so long each, and how many were made.
    async fn attempted(each_takes: Duration, outcomes: [Result<u8, Fault>; 2]) -> (Result<u8, Fault>, usize) {
        let attempts = Cell::new(0);
        let outcome = twice(|is_again| {
            attempts.set(attempts.get() + 1);
            let [first, second] = outcomes.clone();
            async move {
                sleep(each_takes).await;
                if is_again { second } else { first }
            }
        });
        (outcome.await, attempts.get())
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_not_known_is_tried_again_and_stays_unknown_when_that_does_nothing() {
        let read = || Fault::Read(DriverFailure::unreadable());
        let write = || Fault::Write(DriverFailure::unreadable());
        let soon = Duration::from_millis(1);
        assert!(matches!(attempted(soon, [Ok(1), Ok(2)]).await, (Ok(1), 1)));
        let not_done = attempted(soon, [Err(read()), Ok(2)]).await;
        assert!(matches!(not_done, (Err(Fault::Read(_)), 1)));
        assert!(matches!(attempted(soon, [Err(write()), Ok(2)]).await, (Ok(2), 2)));
        for second in [read(), write()] {
            let tried = attempted(soon, [Err(write()), Err(second)]).await;
            assert!(matches!(tried, (Err(Fault::Write(_)), 2)));
        }
        let late = attempted(AGAIN_WITHIN, [Err(write()), Ok(2)]).await;
        assert!(matches!(late, (Err(Fault::Write(_)), 1)));
    }
}
