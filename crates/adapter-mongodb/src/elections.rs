//! Repeats a call while the server is not, or no longer, the primary.
//!
//! A primary that steps down rejects calls with a not-primary code (such as `NotWritablePrimary`), or interrupts calls
//! that it is executing (`PrimarySteppedDown` in a `writeConcernError`). Meanwhile the driver discovers the new
//! primary, so the next attempt goes there.

use std::time::Duration;

use tokio::time::sleep;

use crate::error::{DriverError, MongodbError};

/// The pauses before the second and the third attempt. Together they are 400 ms, the duration of a planned election
/// (`replSetStepDown`). The caller still gets its answer within 3 s.
pub(crate) const PAUSES: [Duration; 2] = [Duration::from_millis(100), Duration::from_millis(300)];

/// Makes an attempt, and up to two more while the server is not the primary.
///
/// Each attempt gets the error of the first attempt that may have written, if any. If a conditional write then matches
/// nothing, that earlier attempt may be the reason. Scenario: attempt 1 updates the document at P1, which steps down
/// before a majority has the update. Its outcome is unknown. Attempt 2 at P2 matches nothing. Either the update reached
/// P2, or P1 rolled it back and another caller was faster. Attempt 2 cannot know which, so its outcome is unknown as
/// well. If a later attempt fails without writing, the outcome also stays unknown.
pub(crate) async fn retry_through_elections<T, F>(attempt: impl Fn(Option<DriverError>) -> F) -> Result<T, MongodbError>
where
    F: Future<Output = Result<T, MongodbError>>,
{
    let mut earlier_error = None;
    let mut pauses = PAUSES.into_iter();
    loop {
        let outcome = attempt(earlier_error.clone()).await;
        let (Err(MongodbError::Read(error) | MongodbError::Write(error)), Some(pause)) = (&outcome, pauses.next())
        else {
            return keep_unknown(outcome, earlier_error);
        };
        if !error.is_not_primary() {
            return keep_unknown(outcome, earlier_error);
        }
        if let Err(MongodbError::Write(error)) = outcome {
            earlier_error.get_or_insert(error);
        }
        sleep(pause).await;
    }
}

/// Returns the last outcome. If the last attempt wrote nothing, but an earlier attempt may have, returns the earlier
/// error as an unknown outcome.
fn keep_unknown<T>(outcome: Result<T, MongodbError>, earlier_error: Option<DriverError>) -> Result<T, MongodbError> {
    match (outcome, earlier_error) {
        (Err(MongodbError::Read(_)), Some(earlier_error)) => Err(MongodbError::Write(earlier_error)),
        (outcome, _) => outcome,
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use mongodb::bson::doc;
    use tokio::time::Instant;

    use super::*;

    fn not_primary_error() -> DriverError {
        let reply = doc! { "writeConcernError": { "code": 189 } };
        DriverError::write_errors(&reply).unwrap_err()
    }

    /// Returns the outcome of these attempts, whether each of them got the error of an earlier attempt, and the elapsed
    /// time.
    async fn run_attempts(attempts: Vec<Result<(), MongodbError>>) -> (Result<(), MongodbError>, Vec<bool>, Duration) {
        let started = Instant::now();
        let (attempts, have_earlier_error) = (RefCell::new(attempts.into_iter()), RefCell::new(Vec::new()));
        let outcome = retry_through_elections(|earlier_error| {
            have_earlier_error.borrow_mut().push(earlier_error.is_some());
            let outcome = attempts
                .borrow_mut()
                .next()
                .expect("there are no more attempts than outcomes");
            async { outcome }
        });
        (outcome.await, have_earlier_error.into_inner(), started.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn calls_are_repeated_while_the_primary_steps_down() {
        let step_down = || Err(MongodbError::Read(not_primary_error()));
        let (outcome, have_earlier_error, elapsed) = run_attempts(vec![step_down(), step_down(), Ok(())]).await;
        assert!(outcome.is_ok());
        assert_eq!(
            (have_earlier_error, elapsed),
            (vec![false; 3], PAUSES.iter().sum::<Duration>())
        );
        let (outcome, _, elapsed) = run_attempts(vec![step_down(), step_down(), step_down()]).await;
        assert!(matches!(outcome, Err(MongodbError::Read(_))));
        assert_eq!(elapsed, PAUSES.iter().sum::<Duration>());
    }

    #[tokio::test(start_paused = true)]
    async fn unknown_outcome_of_an_earlier_attempt_is_kept() {
        let unknown = || Err(MongodbError::Write(not_primary_error()));
        let (outcome, have_earlier_error, _) = run_attempts(vec![unknown(), Ok(())]).await;
        assert!(outcome.is_ok());
        assert_eq!(have_earlier_error, [false, true]);
        let read_failed = Err(MongodbError::Read(DriverError::unreadable()));
        let (outcome, have_earlier_error, elapsed) = run_attempts(vec![unknown(), read_failed]).await;
        assert!(matches!(outcome, Err(MongodbError::Write(_))));
        assert_eq!((have_earlier_error, elapsed), (vec![false, true], PAUSES[0]));
    }

    #[tokio::test(start_paused = true)]
    async fn other_errors_are_not_retried() {
        for error in [
            MongodbError::Read(DriverError::unreadable()),
            MongodbError::Write(DriverError::unreadable()),
        ] {
            let (outcome, have_earlier_error, elapsed) = run_attempts(vec![Err(error)]).await;
            assert!(outcome.is_err());
            assert_eq!((have_earlier_error, elapsed), (vec![false], Duration::ZERO));
        }
    }
}
