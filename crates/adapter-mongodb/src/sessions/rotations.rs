//! Rotates refresh token families in batches: one `update` command with a statement per rotation.
//!
//! Each statement is the compare-and-swap of docs/protocols.md "Rotation", with its whole condition. The reply says how
//! many statements matched, not which:
//!
//! - All matched: every family was rotated.
//! - Not all matched: the families are read in the same causal session. Each rotation stores a new nonce of 128 random
//!   bits. If a family's current or previous nonce is that of this rotation, this rotation happened. Scenario: A and B
//!   present the same token with new nonces a and b. C presents another token with nonce c. Two statements match. The
//!   read finds one family with nonce a and one with nonce c. So A and C rotated, and B is superseded.
//! - The outcome is unknown (broken connection, `writeConcernError`): the command is sent again for the callers that
//!   still wait. Scenario: A's statement matches, and the connection breaks before the reply. The second attempt
//!   matches nothing, and the read finds nonce a. A's rotation happened exactly once.

use std::sync::{Arc, Weak};
use std::time::Duration;

use domain::sessions::{Nonce, PresentedToken, RefreshFamily};
use domain::time::{self, Timestamp};
use mongodb::bson::{Document, doc};
use ports::sessions::RotationOutcome;
use tokio::time::{Instant, sleep};

use super::refresh_family_document::{COLLECTION, RefreshFamilyDocument, active_filter};
use crate::batching::Batcher;
use crate::bson_codec::{binary, date, decode_document, integer};
use crate::connection::DocumentsById;
use crate::driver_session::{BulkOutcome, CausalSession, Sessions};
use crate::elections::PAUSES;
use crate::error::{DriverError, MongodbError};

pub(super) type Rotations = Batcher<RotationRequest, Outcome>;

/// The outcome for one caller. A family that cannot be decoded fails only for its own caller.
pub(super) type Outcome = Result<RotationOutcome, MongodbError>;

pub(super) struct RotationRequest {
    /// Can be upgraded as long as the caller waits.
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

    /// Builds the statement. It rotates the family if the presented token is the current one and the family is active
    /// and unexpired.
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

    /// Decides the outcome from the family that was read after a command whose statements did not all match.
    ///
    /// A family keeps the nonces of its last two generations only. Scenario: A and B present the same token, of
    /// generation 1. One of them rotates it. Before the read, other callers rotate the family twice more. The family is
    /// at generation 4 with nonces 4 and 3. Nonce 2, which would show who rotated generation 1, is gone.
    /// `may_have_matched` means that a statement of this command, or of an earlier attempt, may be that rotation. The
    /// outcome is then unknown: the use case would take "superseded" for a replay and revoke the family on a guess.
    fn outcome(&self, found: &DocumentsById, may_have_matched: bool) -> Outcome {
        let Some(found) = found.get(self.family()) else {
            return Ok(RotationOutcome::Unknown);
        };
        let family = RefreshFamily::try_from(decode_document::<RefreshFamilyDocument>(found)?)?;
        if [Some(family.nonce), family.previous_nonce].contains(&Some(self.nonce)) {
            return Ok(RotationOutcome::Rotated);
        }
        if may_have_matched && family.generation.saturating_sub(self.presented.token.generation) > 2 {
            return Err(MongodbError::Write(DriverError::outcome_lost()));
        }
        Ok(RotationOutcome::Superseded(family))
    }
}

/// Rotates a batch and returns one outcome per request, in the order of the requests. A command of unknown outcome is
/// sent again. If the first attempt rotated a family, the second does not match it, and the nonce shows the rotation.
pub(super) async fn execute_batch(
    sessions: Arc<Sessions>,
    requests: Vec<RotationRequest>,
) -> Result<Vec<Outcome>, MongodbError> {
    let requests = requests.into_iter().map(Arc::new).collect();
    retry_unknown_outcome(requests, |requests, earlier_error| {
        let is_retry = earlier_error.is_some();
        let rotate = move |session| rotate(session, requests, is_retry);
        sessions.clone().write(earlier_error, rotate)
    })
    .await
}

/// The time after the start of the first attempt within which another one may start. Callers wait 2.5 s, and a later
/// attempt would have too little of that time left.
const RETRY_WITHIN: Duration = Duration::from_secs(1);

/// Returns the pause before the next attempt, or `None` if there is none. While the server is not the primary, which
/// soon changes, two more attempts follow. After any other error, one more follows.
fn pause_after(attempts: usize, error: &DriverError) -> Option<Duration> {
    if error.is_not_primary() {
        return PAUSES.get(attempts.saturating_sub(1)).copied();
    }
    (attempts == 1).then_some(Duration::ZERO)
}

/// Repeats an attempt of unknown outcome for the callers that still wait, and passes the first error to each
/// repetition. The requests of callers that have left are not repeated, because those callers already have their
/// answers.
async fn retry_unknown_outcome<F>(
    requests: Vec<Arc<RotationRequest>>,
    attempt: impl Fn(Vec<Arc<RotationRequest>>, Option<DriverError>) -> F,
) -> Result<Vec<Outcome>, MongodbError>
where
    F: Future<Output = Result<Vec<Outcome>, MongodbError>>,
{
    let started = Instant::now();
    let first_error = match attempt(requests.clone(), None).await {
        Err(MongodbError::Write(error)) => error,
        result => return result,
    };
    let mut latest_error = first_error.clone();
    for attempts in 1.. {
        let Some(pause) = pause_after(attempts, &latest_error) else {
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
        latest_error = match attempt(waiting.clone(), Some(first_error.clone())).await {
            Ok(outcomes) => return Ok(align_outcomes(&requests, &waiting, outcomes, &first_error)),
            Err(MongodbError::Write(error)) => error,
            // This attempt wrote nothing, but the first may have.
            Err(MongodbError::Read(_)) => break,
            Err(error) => return Err(error),
        };
    }
    Err(MongodbError::Write(first_error))
}

/// Returns one outcome per request. Callers that still waited get the outcome of the repeated attempt. For the others
/// the outcome is unknown.
fn align_outcomes(
    requests: &[Arc<RotationRequest>],
    waiting: &[Arc<RotationRequest>],
    outcomes: Vec<Outcome>,
    first_error: &DriverError,
) -> Vec<Outcome> {
    let mut outcomes = waiting.iter().zip(outcomes).peekable();
    let mut outcome = |request| match outcomes.next_if(|(waiting, _)| Arc::ptr_eq(waiting, request)) {
        Some((_, outcome)) => outcome,
        None => Err(MongodbError::Write(first_error.clone())),
    };
    requests.iter().map(&mut outcome).collect()
}

/// Sends the command once. `is_retry` means that an earlier attempt may have rotated some of the families.
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
    // The families of rejected statements are not read. If their shard is down, the read would fail for the other
    // callers as well.
    let is_rejected = |index: usize| rejected.iter().any(|(rejected, _)| *rejected == index);
    let executed = requests.iter().enumerate().filter(|(index, _)| !is_rejected(*index));
    let families: Vec<_> = executed.map(|(_, request)| request.family().to_owned()).collect();
    let found = session.find_each(COLLECTION, &families).await;
    // Without the read, it is unknown which statements matched.
    let found = found.map_err(|error| match error {
        MongodbError::Read(error) if may_have_matched => MongodbError::Write(error),
        error => error,
    })?;
    let outcomes = requests.iter().map(|request| request.outcome(&found, may_have_matched));
    Ok(fail_rejected(rejected, outcomes.collect()))
}

/// Replaces the outcome of each rejected statement with its error, which concerns only its own caller.
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
    use domain::sessions::{FamilyStatus, Origin};
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
                sessions_version: 0,
                administrative_groups: Vec::new(),
            },
            generation: 1,
            nonce: Nonce([1; 16]),
            previous_nonce: None,
            started_at: None,
            rotated_at: Timestamp::UNIX_EPOCH,
            absolute_expires_at: time::after(Timestamp::UNIX_EPOCH, IDLE),
            idle_expires_at: time::after(Timestamp::UNIX_EPOCH, IDLE),
            status: FamilyStatus::Active,
        }
    }

    fn rotate_to(nonce: u8, family: &RefreshFamily) -> RefreshFamily {
        family.rotate(Nonce([nonce; 16]), Timestamp::UNIX_EPOCH, IDLE)
    }

    /// Returns a request to rotate the first token to nonce 2.
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

    fn documents_by_id(family: &RefreshFamily) -> DocumentsById {
        let document = serialize_to_raw_document_buf(&RefreshFamilyDocument::from(family)).unwrap();
        DocumentsById::from([(family.id.to_string(), document)])
    }

    fn decide(found: &RefreshFamily) -> RotationOutcome {
        request().outcome(&documents_by_id(found), true).unwrap()
    }

    #[test]
    fn family_with_the_nonce_was_rotated_by_the_request() {
        let second = rotate_to(2, &family());
        assert_eq!(decide(&second), RotationOutcome::Rotated);
        assert_eq!(decide(&rotate_to(3, &second)), RotationOutcome::Rotated);
    }

    #[test]
    fn family_without_the_nonce_is_superseded() {
        let other = rotate_to(3, &family());
        for found in [family(), rotate_to(4, &other), other] {
            assert_eq!(decide(&found), RotationOutcome::Superseded(found));
        }
        assert!(matches!(
            request().outcome(&DocumentsById::new(), true),
            Ok(RotationOutcome::Unknown)
        ));
    }

    #[test]
    fn later_generations_leave_the_outcome_unknown() {
        let fourth = rotate_to(5, &rotate_to(4, &rotate_to(3, &family())));
        let found = documents_by_id(&fourth);
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

    fn not_primary_error() -> MongodbError {
        let reply = doc! { "writeConcernError": { "code": 189 } };
        MongodbError::Write(DriverError::write_errors(&reply).unwrap_err())
    }

    /// Runs attempts with these outcomes for two callers. Each attempt takes `duration`. The second caller leaves
    /// during the first attempt. Returns the result and the number of attempts.
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
        let result = retry_unknown_outcome(requests.to_vec(), |requests, earlier_error| {
            let number = attempts.replace(attempts.get() + 1);
            assert_eq!(earlier_error.is_some(), number > 0);
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

    /// Returns whether the first caller's family was rotated, and the outcome of the second caller is unknown.
    fn is_rotated_for_the_first(result: &Result<Vec<Outcome>, MongodbError>) -> bool {
        matches!(
            result.as_deref(),
            Ok([Ok(RotationOutcome::Rotated), Err(MongodbError::Write(_))])
        )
    }

    /// The duration of an attempt that ends long before [`RETRY_WITHIN`].
    const SHORT_ATTEMPT: Duration = Duration::from_millis(1);

    #[tokio::test(start_paused = true)]
    async fn unknown_outcome_is_retried_once() {
        let read_failure = || Err(MongodbError::Read(DriverError::unreadable()));
        let write_failure = || Err(MongodbError::Write(DriverError::unreadable()));
        let succeeded = run_attempts(SHORT_ATTEMPT, &[Ok(())]).await;
        assert!(matches!((succeeded.0.as_deref(), succeeded.1), (Ok([Ok(_), Ok(_)]), 1)));
        let read_failed = run_attempts(SHORT_ATTEMPT, &[read_failure()]).await;
        assert!(matches!(read_failed, (Err(MongodbError::Read(_)), 1)));
        let (result, attempts) = run_attempts(SHORT_ATTEMPT, &[write_failure(), Ok(())]).await;
        assert!(is_rotated_for_the_first(&result));
        assert_eq!(attempts, 2);
        for second in [read_failure(), write_failure()] {
            let unknown = run_attempts(SHORT_ATTEMPT, &[write_failure(), second]).await;
            assert!(matches!(unknown, (Err(MongodbError::Write(_)), 2)));
        }
        let late = run_attempts(RETRY_WITHIN, &[write_failure()]).await;
        assert!(matches!(late, (Err(MongodbError::Write(_)), 1)));
    }

    #[tokio::test(start_paused = true)]
    async fn rotations_are_retried_through_a_step_down() {
        let started = Instant::now();
        let (result, attempts) = run_attempts(
            Duration::ZERO,
            &[Err(not_primary_error()), Err(not_primary_error()), Ok(())],
        )
        .await;
        assert!(is_rotated_for_the_first(&result));
        assert_eq!((attempts, started.elapsed()), (3, PAUSES.iter().sum::<Duration>()));
        let unknown = run_attempts(
            SHORT_ATTEMPT,
            &[
                Err(not_primary_error()),
                Err(not_primary_error()),
                Err(not_primary_error()),
            ],
        )
        .await;
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
