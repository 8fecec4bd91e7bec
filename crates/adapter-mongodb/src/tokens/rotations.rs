//! Rotates refresh token families in batches: one `update` command with a statement per rotation.
//!
//! Each statement is the compare-and-swap of docs/protocols.md "Rotation", with its whole condition. The reply says how
//! many statements matched, not which:
//!
//! - All matched: every family was rotated.
//! - Some matched: the families are read in the same causal session. A family whose current or previous nonce is the
//!   one that this rotation made was rotated by it, because no other rotation has these 128 random bits. Scenario: A
//!   and B present one token with new nonces a and b, and C another token. Two statements match. The read finds a
//!   family with nonce a and one with nonce c: A and C rotated, B is superseded.
//! - The outcome is unknown (broken connection, `writeConcernError`): the command is sent again, for the callers that
//!   still wait. Scenario: A's statement matched, and the connection breaks before the reply. The second attempt
//!   matches nothing, and the read finds nonce a: A's rotation happened, once.

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
use crate::causal_session::{BulkOutcome, CausalSession, write_in_session};
use crate::database::{self, Database, DocumentsById};
use crate::elections::PAUSES;
use crate::error::{DriverError, MongodbError};

pub(super) type Rotations = Batcher<RotationRequest, Outcome>;

/// The outcome for one caller. A family that cannot be decoded fails for its own caller only.
pub(super) type Outcome = Result<RotationOutcome, MongodbError>;

pub(super) struct RotationRequest {
    /// Can be upgraded while the caller waits.
    pub(super) caller: Weak<()>,
    pub(super) presented: PresentedToken,
    pub(super) nonce: Nonce,
    pub(super) now: Timestamp,
    pub(super) idle_lifetime: Duration,
}

impl RotationRequest {
    fn has_caller(&self) -> bool {
        self.caller.strong_count() > 0
    }

    fn family(&self) -> &str {
        self.presented.token.family.as_str()
    }

    /// Builds the statement: the family rotates if the presented token is its current one and it is active and
    /// unexpired.
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

    /// Decides the outcome from the family as it is after a command of which not all statements matched.
    ///
    /// A family keeps the nonces of two generations. Scenario: A and B present the same token, of generation 1. One of
    /// them rotates it, and before the read other callers renew the successor twice. The family is at generation 4 with
    /// nonces 4 and 3; nonce 2, which would show whose rotation the first was, is gone. `may_have_matched` says that a
    /// statement of this command, or of an earlier attempt, may be that rotation: then the outcome is unknown, because
    /// "superseded" would be judged a replay and revoke the family on a guess.
    fn outcome(&self, found: &DocumentsById, may_have_matched: bool) -> Outcome {
        let Some(found) = found.get(self.family()) else {
            return Ok(RotationOutcome::Unknown);
        };
        let family = RefreshFamily::try_from(database::document::<RefreshFamilyDocument>(found)?)?;
        if [Some(family.nonce), family.previous_nonce].contains(&Some(self.nonce)) {
            return Ok(RotationOutcome::Rotated);
        }
        if may_have_matched && family.generation.saturating_sub(self.presented.token.generation) > 2 {
            return Err(MongodbError::Write(DriverError::outcome_lost()));
        }
        Ok(RotationOutcome::Superseded(family))
    }
}

/// Rotates a batch and returns an outcome per request, in their order. A command of unknown outcome is sent again: a
/// rotation that the first attempt made does not match again and is recognized by its nonce.
pub(super) async fn execute_batch(
    database: Arc<Database>,
    requests: Vec<RotationRequest>,
) -> Result<Vec<Outcome>, MongodbError> {
    let requests = requests.into_iter().map(Arc::new).collect();
    retry_unknown_outcome(requests, |requests, unknown_attempt| {
        let is_retry = unknown_attempt.is_some();
        write_in_session(database.clone(), unknown_attempt, move |session| {
            rotate(session, requests, is_retry)
        })
    })
    .await
}

/// The time after the start of the first attempt within which another one may start. Callers wait for 2.5 s: later, too
/// little of it is left.
const RETRY_WITHIN: Duration = Duration::from_secs(1);

/// Returns the pause before another attempt, or `None` for no more: two more while the server is not the primary, which
/// is over soon, otherwise one.
fn pause_after(attempts: usize, error: &DriverError) -> Option<Duration> {
    if error.is_not_primary() {
        return PAUSES.get(attempts.saturating_sub(1)).copied();
    }
    (attempts == 1).then_some(Duration::ZERO)
}

/// Repeats an attempt of unknown outcome for the callers that still wait, and passes it the error of the first. A
/// caller that has left is left out, because its request was answered already.
async fn retry_unknown_outcome<F>(
    requests: Vec<Arc<RotationRequest>>,
    attempt: impl Fn(Vec<Arc<RotationRequest>>, Option<DriverError>) -> F,
) -> Result<Vec<Outcome>, MongodbError>
where
    F: Future<Output = Result<Vec<Outcome>, MongodbError>>,
{
    let started = Instant::now();
    let first = match attempt(requests.clone(), None).await {
        Err(MongodbError::Write(error)) => error,
        result => return result,
    };
    let mut latest = first.clone();
    for attempts in 1.. {
        let Some(pause) = pause_after(attempts, &latest) else {
            break;
        };
        sleep(pause).await;
        let waiting: Vec<_> = requests
            .iter()
            .filter(|request| request.has_caller())
            .cloned()
            .collect();
        if waiting.is_empty() || started.elapsed() >= RETRY_WITHIN {
            break;
        }
        latest = match attempt(waiting.clone(), Some(first.clone())).await {
            Ok(outcomes) => return Ok(align_outcomes(&requests, &waiting, outcomes, &first)),
            Err(MongodbError::Write(error)) => error,
            // This attempt wrote nothing, but the first may have.
            Err(MongodbError::Read(_)) => break,
            Err(error) => return Err(error),
        };
    }
    Err(MongodbError::Write(first))
}

/// Returns an outcome per request: that of the repeated attempt for a caller that still waited, an unknown one for the
/// others.
fn align_outcomes(
    requests: &[Arc<RotationRequest>],
    waiting: &[Arc<RotationRequest>],
    outcomes: Vec<Outcome>,
    first: &DriverError,
) -> Vec<Outcome> {
    let mut outcomes = waiting.iter().zip(outcomes).peekable();
    let mut outcome = |request| match outcomes.next_if(|(waiting, _)| Arc::ptr_eq(waiting, request)) {
        Some((_, outcome)) => outcome,
        None => Err(MongodbError::Write(first.clone())),
    };
    requests.iter().map(&mut outcome).collect()
}

/// Sends the command once. `is_retry`: an earlier attempt may have rotated some of the families.
async fn rotate(
    mut session: CausalSession,
    requests: Vec<Arc<RotationRequest>>,
    is_retry: bool,
) -> Result<Vec<Outcome>, MongodbError> {
    let updates = requests
        .iter()
        .map(|request| (request.family(), request.update()))
        .collect();
    let BulkOutcome { matched, rejected } = session.update_each(COLLECTION, updates).await?;
    if matched == requests.len() {
        return Ok(requests.iter().map(|_| Ok(RotationOutcome::Rotated)).collect());
    }
    let may_have_matched = matched > 0 || is_retry;
    // Families of rejected statements are left out: if their shard is down, the read would fail for the other callers,
    // too.
    let is_rejected = |index: usize| rejected.iter().any(|(rejected, _)| *rejected == index);
    let executed = requests.iter().enumerate().filter(|(index, _)| !is_rejected(*index));
    let families: Vec<_> = executed.map(|(_, request)| request.family().to_owned()).collect();
    let found = session.find_each(COLLECTION, &families).await;
    // Without the read, it is not known which of the statements matched.
    let found = found.map_err(|error| match error {
        MongodbError::Read(error) if may_have_matched => MongodbError::Write(error),
        error => error,
    })?;
    let outcomes = requests.iter().map(|request| request.outcome(&found, may_have_matched));
    Ok(fail_rejected(rejected, outcomes.collect()))
}

/// Replaces the outcome of each rejected statement by its error, which concerns its own caller only.
fn fail_rejected(rejected: Vec<(usize, DriverError)>, mut outcomes: Vec<Outcome>) -> Vec<Outcome> {
    for (index, error) in rejected {
        if let Some(outcome) = outcomes.get_mut(index) {
            *outcome = Err(MongodbError::Write(error));
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
        family.rotate(Nonce([nonce; 16]), Timestamp::UNIX_EPOCH, IDLE)
    }

    /// Makes a request to rotate the first token to nonce 2.
    fn request() -> RotationRequest {
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

    fn stored(family: &RefreshFamily) -> DocumentsById {
        let document = serialize_to_raw_document_buf(&RefreshFamilyDocument::from(family)).unwrap();
        DocumentsById::from([(family.id.to_string(), document)])
    }

    fn outcome(found: &RefreshFamily) -> RotationOutcome {
        request().outcome(&stored(found), true).unwrap()
    }

    #[test]
    fn family_with_the_nonce_was_rotated_by_the_request() {
        let second = rotated(&family(), 2);
        assert_eq!(outcome(&second), RotationOutcome::Rotated);
        assert_eq!(outcome(&rotated(&second, 3)), RotationOutcome::Rotated);
    }

    #[test]
    fn family_without_the_nonce_is_superseded() {
        let other = rotated(&family(), 3);
        for found in [family(), rotated(&other, 4), other] {
            assert_eq!(outcome(&found), RotationOutcome::Superseded(found));
        }
        assert!(matches!(
            request().outcome(&DocumentsById::new(), true),
            Ok(RotationOutcome::Unknown)
        ));
    }

    #[test]
    fn later_generations_leave_the_outcome_unknown() {
        let fourth = rotated(&rotated(&rotated(&family(), 3), 4), 5);
        let found = stored(&fourth);
        assert!(matches!(request().outcome(&found, true), Err(MongodbError::Write(_))));
        let outcome = request().outcome(&found, false).unwrap();
        assert_eq!(outcome, RotationOutcome::Superseded(fourth));
    }

    #[test]
    fn undecodable_family_fails_its_request() {
        let found = DocumentsById::from([("family-1".to_owned(), rawdoc! { "_id": "family-1" })]);
        assert!(matches!(
            request().outcome(&found, true),
            Err(MongodbError::Corrupt { .. })
        ));
    }

    fn not_primary() -> MongodbError {
        let reply = doc! { "writeConcernError": { "code": 189 } };
        MongodbError::Write(DriverError::write_errors(&reply).unwrap_err())
    }

    /// Runs attempts with these outcomes that take `duration` each, for two callers, of which the second leaves after
    /// the first attempt. Returns the result and the number of attempts.
    async fn run_attempts(
        duration: Duration,
        outcomes: &[Result<(), MongodbError>],
    ) -> (Result<Vec<Outcome>, MongodbError>, usize) {
        let callers = [(); 2].map(|()| Arc::new(()));
        let requests = callers.each_ref().map(|caller| {
            Arc::new(RotationRequest {
                caller: Arc::downgrade(caller),
                ..request()
            })
        });
        let (attempts, [_stays, leaves]) = (Cell::new(0), callers);
        let leaves = Cell::new(Some(leaves));
        let result = retry_unknown_outcome(requests.to_vec(), |requests, unknown| {
            let number = attempts.replace(attempts.get() + 1);
            assert_eq!(unknown.is_some(), number > 0);
            assert_eq!(requests.len(), if number == 0 { 2 } else { 1 });
            leaves.take();
            let outcome = outcomes[number].clone();
            async move {
                sleep(duration).await;
                outcome.map(|()| requests.iter().map(|_| Ok(RotationOutcome::Rotated)).collect())
            }
        });
        (result.await, attempts.get())
    }

    /// Returns whether the caller that stayed was rotated, and the outcome of the other is unknown.
    fn is_rotated_for_the_first(result: &Result<Vec<Outcome>, MongodbError>) -> bool {
        matches!(
            result.as_deref(),
            Ok([Ok(RotationOutcome::Rotated), Err(MongodbError::Write(_))])
        )
    }

    /// Far below [`RETRY_WITHIN`].
    const SOON: Duration = Duration::from_millis(1);

    #[tokio::test(start_paused = true)]
    async fn unknown_outcome_is_retried_once() {
        let read = || Err(MongodbError::Read(DriverError::unreadable()));
        let write = || Err(MongodbError::Write(DriverError::unreadable()));
        let at_once = run_attempts(SOON, &[Ok(())]).await;
        assert!(matches!((at_once.0.as_deref(), at_once.1), (Ok([Ok(_), Ok(_)]), 1)));
        let read_failed = run_attempts(SOON, &[read()]).await;
        assert!(matches!(read_failed, (Err(MongodbError::Read(_)), 1)));
        let (result, attempts) = run_attempts(SOON, &[write(), Ok(())]).await;
        assert!(is_rotated_for_the_first(&result));
        assert_eq!(attempts, 2);
        for second in [read(), write()] {
            let unknown = run_attempts(SOON, &[write(), second]).await;
            assert!(matches!(unknown, (Err(MongodbError::Write(_)), 2)));
        }
        let late = run_attempts(RETRY_WITHIN, &[write()]).await;
        assert!(matches!(late, (Err(MongodbError::Write(_)), 1)));
    }

    #[tokio::test(start_paused = true)]
    async fn rotations_are_retried_through_a_step_down() {
        let started = Instant::now();
        let (result, attempts) = run_attempts(Duration::ZERO, &[Err(not_primary()), Err(not_primary()), Ok(())]).await;
        assert!(is_rotated_for_the_first(&result));
        assert_eq!((attempts, started.elapsed()), (3, PAUSES.iter().sum::<Duration>()));
        let unknown = run_attempts(SOON, &[Err(not_primary()), Err(not_primary()), Err(not_primary())]).await;
        assert!(matches!(unknown, (Err(MongodbError::Write(_)), 3)));
    }

    #[test]
    fn rejected_statement_fails_only_its_caller() {
        let outcomes = vec![
            Ok(RotationOutcome::Rotated),
            Ok(RotationOutcome::Unknown),
            Ok(RotationOutcome::Superseded(family())),
        ];
        let after = fail_rejected(vec![(1, DriverError::unreadable())], outcomes);
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
