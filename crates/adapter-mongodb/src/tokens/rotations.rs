//! Rotations that are asked for at the same time are made by one command, each by an update of its own.

use std::sync::{Arc, Weak};
use std::time::Duration;

use domain::time::{self, Timestamp};
use domain::tokens::{Nonce, PresentedToken, RefreshFamily};
use mongodb::bson::{Document, doc};
use ports::tokens::RotationOutcome;
use tokio::time::{Instant, sleep};

use super::refresh_families::{COLLECTION, RefreshFamilyDocument, active_filter};
use crate::batcher::Batcher;
use crate::bson_codec::{binary, date, integer};
use crate::causal_session::{CausalSession, Updated, write_in_session};
use crate::database::{self, Database, Found};
use crate::elections::PAUSES;
use crate::error::{DriverError, MongodbError};

pub(super) type Rotations = Batcher<RotationRequest, Outcome>;

/// A family that cannot be read fails for its own caller only.
pub(super) type Outcome = Result<RotationOutcome, MongodbError>;

pub(super) struct RotationRequest {
    /// Upgrades while the caller waits.
    pub(super) caller: Weak<()>,
    pub(super) presented: PresentedToken,
    pub(super) nonce: Nonce,
    pub(super) now: Timestamp,
    pub(super) idle_lifetime: Duration,
}

impl RotationRequest {
    fn is_waited_for(&self) -> bool {
        self.caller.strong_count() > 0
    }

    fn family(&self) -> &str {
        self.presented.token.family.as_str()
    }

    /// The compare-and-swap of 03-protocols 1: the condition stands in the update itself.
    fn update(&self) -> Document {
        let token = &self.presented.token;
        let mut current = active_filter(&self.presented, self.now);
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
            return Ok(RotationOutcome::Unknown);
        };
        let family = RefreshFamily::try_from(database::document::<RefreshFamilyDocument>(found)?)?;
        if [Some(family.nonce), family.previous_nonce].contains(&Some(self.nonce)) {
            return Ok(RotationOutcome::Rotated);
        }
        if some_matched && family.generation.saturating_sub(self.presented.token.generation) > 2 {
            return Err(MongodbError::Write(DriverError::overtaken()));
        }
        Ok(RotationOutcome::Superseded(family))
    }
}

/// Makes them again when the outcome is not known: what was done before does not match again, and is recognised.
pub(super) async fn execute_batch(
    database: Arc<Database>,
    asked: Vec<RotationRequest>,
) -> Result<Vec<Outcome>, MongodbError> {
    let asked = asked.into_iter().map(Arc::new).collect();
    retry_unknown_outcome(asked, |asked, unknown| {
        let is_again = unknown.is_some();
        write_in_session(database.clone(), unknown, move |session| {
            rotate(session, asked, is_again)
        })
    })
    .await
}

/// Later than this those who asked have hardly time for another attempt, or have left.
const RETRY_WITHIN: Duration = Duration::from_secs(1);

/// The pause before another attempt, if there is to be one: two more while the server is not the primary, else one.
fn pause_after(attempts: usize, failure: &DriverError) -> Option<Duration> {
    if failure.is_not_primary() {
        return PAUSES.get(attempts.saturating_sub(1)).copied();
    }
    (attempts == 1).then_some(Duration::ZERO)
}

/// Repeats an attempt of unknown outcome, for those callers who still wait. Each attempt is told why the outcome of the
/// first is not known.
async fn retry_unknown_outcome<F>(
    asked: Vec<Arc<RotationRequest>>,
    attempt: impl Fn(Vec<Arc<RotationRequest>>, Option<DriverError>) -> F,
) -> Result<Vec<Outcome>, MongodbError>
where
    F: Future<Output = Result<Vec<Outcome>, MongodbError>>,
{
    let begun = Instant::now();
    let first = match attempt(asked.clone(), None).await {
        Err(MongodbError::Write(failure)) => failure,
        done => return done,
    };
    let mut failure = first.clone();
    for attempts in 1.. {
        let Some(pause) = pause_after(attempts, &failure) else {
            break;
        };
        sleep(pause).await;
        let waiting: Vec<_> = asked.iter().filter(|asked| asked.is_waited_for()).cloned().collect();
        if waiting.is_empty() || begun.elapsed() >= RETRY_WITHIN {
            break;
        }
        failure = match attempt(waiting.clone(), Some(first.clone())).await {
            Ok(outcomes) => return Ok(align_outcomes(&asked, &waiting, outcomes, &first)),
            Err(MongodbError::Write(failure)) => failure,
            // It did nothing; the first may have.
            Err(MongodbError::Read(_)) => break,
            Err(fault) => return Err(fault),
        };
    }
    Err(MongodbError::Write(first))
}

/// The outcomes of those who waited, among all who had asked; of the others nothing is known.
fn align_outcomes(
    asked: &[Arc<RotationRequest>],
    waiting: &[Arc<RotationRequest>],
    outcomes: Vec<Outcome>,
    first: &DriverError,
) -> Vec<Outcome> {
    let mut outcomes = waiting.iter().zip(outcomes).peekable();
    let mut outcome = |asked| match outcomes.next_if(|(waiting, _)| Arc::ptr_eq(waiting, asked)) {
        Some((_, outcome)) => outcome,
        None => Err(MongodbError::Write(first.clone())),
    };
    asked.iter().map(&mut outcome).collect()
}

async fn rotate(
    mut session: CausalSession,
    asked: Vec<Arc<RotationRequest>>,
    is_again: bool,
) -> Result<Vec<Outcome>, MongodbError> {
    let updates = asked.iter().map(|asked| (asked.family(), asked.update())).collect();
    let Updated { matched, refused } = session.update_each(COLLECTION, updates).await?;
    if matched == asked.len() {
        return Ok(asked.iter().map(|_| Ok(RotationOutcome::Rotated)).collect());
    }
    let some_matched = matched > 0 || is_again;
    // Not of those that were refused: perhaps nobody can read them now, and the others would fail with them.
    let is_refused = |place: usize| refused.iter().any(|(refused, _)| *refused == place);
    let asked_now = asked.iter().enumerate().filter(|(place, _)| !is_refused(*place));
    let families: Vec<_> = asked_now.map(|(_, asked)| asked.family().to_owned()).collect();
    let found = session.find_each(COLLECTION, &families).await;
    let found = found.map_err(|fault| match fault {
        MongodbError::Read(failure) if some_matched => MongodbError::Write(failure),
        fault => fault,
    })?;
    let outcomes = asked.iter().map(|asked| asked.outcome(&found, some_matched));
    Ok(replace_refused(refused, outcomes.collect()))
}

/// A statement that the server refused fails for its own caller.
fn replace_refused(refused: Vec<(usize, DriverError)>, mut outcomes: Vec<Outcome>) -> Vec<Outcome> {
    for (place, failure) in refused {
        if let Some(outcome) = outcomes.get_mut(place) {
            *outcome = Err(MongodbError::Write(failure));
        }
    }
    outcomes
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use domain::ids::{ClientId, FamilyId, UserId};
    use domain::tokens::{FamilyStatus, Origin};
    use mongodb::bson::{rawdoc, serialize_to_raw_document_buf};

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
                administrative_groups: Vec::new(),
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
    fn asked() -> RotationRequest {
        let RefreshFamily { origin, .. } = family();
        RotationRequest {
            caller: Weak::new(),
            presented: PresentedToken {
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

    fn outcome(found: &RefreshFamily) -> RotationOutcome {
        asked().outcome(&stored(found), true).unwrap()
    }

    #[test]
    fn a_family_with_its_nonce_was_rotated_by_it() {
        let second = rotated(&family(), 2);
        assert_eq!(outcome(&second), RotationOutcome::Rotated);
        assert_eq!(outcome(&rotated(&second, 3)), RotationOutcome::Rotated);
    }

    #[test]
    fn a_family_without_it_was_not() {
        let by_another = rotated(&family(), 3);
        for found in [family(), rotated(&by_another, 4), by_another] {
            assert_eq!(outcome(&found), RotationOutcome::Superseded(found));
        }
        assert!(matches!(
            asked().outcome(&Found::new(), true),
            Ok(RotationOutcome::Unknown)
        ));
    }

    #[test]
    fn of_a_family_that_went_on_further_nobody_knows_unless_nothing_matched() {
        let fourth = rotated(&rotated(&rotated(&family(), 3), 4), 5);
        let found = stored(&fourth);
        assert!(matches!(asked().outcome(&found, true), Err(MongodbError::Write(_))));
        let outcome = asked().outcome(&found, false).unwrap();
        assert_eq!(outcome, RotationOutcome::Superseded(fourth));
    }

    #[test]
    fn a_family_that_cannot_be_read_fails_for_those_who_asked_for_it() {
        let found = Found::from([("family-1".to_owned(), rawdoc! { "_id": "family-1" })]);
        assert!(matches!(
            asked().outcome(&found, true),
            Err(MongodbError::Corrupt { .. })
        ));
    }

    fn not_primary() -> MongodbError {
        let answer = doc! { "writeConcernError": { "code": 189 } };
        MongodbError::Write(DriverError::of_statements(&answer).unwrap_err())
    }

    /// What comes of attempts that take so long each, and how many were made. The second of two callers leaves after the
    /// first attempt.
    async fn attempted(
        each_takes: Duration,
        outcomes: &[Result<(), MongodbError>],
    ) -> (Result<Vec<Outcome>, MongodbError>, usize) {
        let callers = [(); 2].map(|()| Arc::new(()));
        let asked = callers.each_ref().map(|caller| {
            Arc::new(RotationRequest {
                caller: Arc::downgrade(caller),
                ..asked()
            })
        });
        let (attempts, [_stays, leaves]) = (Cell::new(0), callers);
        let leaves = Cell::new(Some(leaves));
        let done = retry_unknown_outcome(asked.to_vec(), |asked, unknown| {
            let number = attempts.replace(attempts.get() + 1);
            assert_eq!(unknown.is_some(), number > 0);
            assert_eq!(asked.len(), if number == 0 { 2 } else { 1 });
            leaves.take();
            let outcome = outcomes[number].clone();
            async move {
                sleep(each_takes).await;
                outcome.map(|()| asked.iter().map(|_| Ok(RotationOutcome::Rotated)).collect())
            }
        });
        (done.await, attempts.get())
    }

    /// Whether the caller who stayed has its rotation, and the one who left an unknown outcome.
    fn is_done_for_the_one_who_stayed(done: &Result<Vec<Outcome>, MongodbError>) -> bool {
        matches!(
            done.as_deref(),
            Ok([Ok(RotationOutcome::Rotated), Err(MongodbError::Write(_))])
        )
    }

    const SOON: Duration = Duration::from_millis(1);

    #[tokio::test(start_paused = true)]
    async fn what_is_not_known_is_tried_again_and_stays_unknown_when_that_does_nothing() {
        let read = || Err(MongodbError::Read(DriverError::unreadable()));
        let write = || Err(MongodbError::Write(DriverError::unreadable()));
        let at_once = attempted(SOON, &[Ok(())]).await;
        assert!(matches!((at_once.0.as_deref(), at_once.1), (Ok([Ok(_), Ok(_)]), 1)));
        let not_done = attempted(SOON, &[read()]).await;
        assert!(matches!(not_done, (Err(MongodbError::Read(_)), 1)));
        let (done, attempts) = attempted(SOON, &[write(), Ok(())]).await;
        assert!(is_done_for_the_one_who_stayed(&done));
        assert_eq!(attempts, 2);
        for second in [read(), write()] {
            let tried = attempted(SOON, &[write(), second]).await;
            assert!(matches!(tried, (Err(MongodbError::Write(_)), 2)));
        }
        let late = attempted(RETRY_WITHIN, &[write()]).await;
        assert!(matches!(late, (Err(MongodbError::Write(_)), 1)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_primary_that_steps_down_is_waited_out() {
        let begun = Instant::now();
        let (done, attempts) = attempted(Duration::ZERO, &[Err(not_primary()), Err(not_primary()), Ok(())]).await;
        assert!(is_done_for_the_one_who_stayed(&done));
        assert_eq!((attempts, begun.elapsed()), (3, PAUSES.iter().sum::<Duration>()));
        let tried = attempted(SOON, &[Err(not_primary()), Err(not_primary()), Err(not_primary())]).await;
        assert!(matches!(tried, (Err(MongodbError::Write(_)), 3)));
    }

    #[test]
    fn a_refused_statement_fails_for_its_caller_only() {
        let outcomes = vec![
            Ok(RotationOutcome::Rotated),
            Ok(RotationOutcome::Unknown),
            Ok(RotationOutcome::Superseded(family())),
        ];
        let after = replace_refused(vec![(1, DriverError::unreadable())], outcomes);
        assert!(matches!(
            after[..],
            [
                Ok(RotationOutcome::Rotated),
                Err(MongodbError::Write(_)),
                Ok(RotationOutcome::Superseded(_))
            ]
        ));
    }
}
