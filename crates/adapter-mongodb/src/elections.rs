//! Repeats a call while the server is not, or no longer, the primary.
//!
//! A primary that steps down rejects calls with a not-primary code (`NotWritablePrimary` and its kin) or interrupts
//! those it is executing (`PrimarySteppedDown` in a `writeConcernError`). The driver discovers the new primary
//! meanwhile, so the next attempt goes there.

use std::time::Duration;

use tokio::time::sleep;

use crate::error::{DriverError, MongodbError};

/// The pauses before the second and the third attempt. Together 400 ms, which a planned election takes
/// (`replSetStepDown`); the caller still has its answer within 3 s.
pub(crate) const PAUSES: [Duration; 2] = [Duration::from_millis(100), Duration::from_millis(300)];

/// Makes an attempt, and up to two more while the server is not the primary.
///
/// An attempt gets the error of the first attempt that may have written, if there was one: a conditional write that
/// does not match then may have been made by that attempt. Scenario: attempt 1 updates the document at P1, which steps
/// down before a majority has the update: unknown outcome. Attempt 2 at P2 matches nothing. Either the update reached
/// P2, or P1 rolled it back and another caller was faster. Attempt 2 cannot know which, so it fails with an unknown
/// outcome as well. An attempt that wrote nothing leaves the outcome unknown, too.
pub(crate) async fn retry_through_elections<T, F>(attempt: impl Fn(Option<DriverError>) -> F) -> Result<T, MongodbError>
where
    F: Future<Output = Result<T, MongodbError>>,
{
    let mut unknown_attempt = None;
    let mut pauses = PAUSES.into_iter();
    loop {
        let outcome = attempt(unknown_attempt.clone()).await;
        let (Err(MongodbError::Read(error) | MongodbError::Write(error)), Some(pause)) = (&outcome, pauses.next())
        else {
            return keep_unknown(outcome, unknown_attempt);
        };
        if !error.is_not_primary() {
            return keep_unknown(outcome, unknown_attempt);
        }
        if let Err(MongodbError::Write(error)) = outcome {
            unknown_attempt.get_or_insert(error);
        }
        sleep(pause).await;
    }
}

/// Returns the last outcome, or that of an earlier attempt that may have written if the last one wrote nothing.
fn keep_unknown<T>(outcome: Result<T, MongodbError>, unknown_attempt: Option<DriverError>) -> Result<T, MongodbError> {
    match (outcome, unknown_attempt) {
        (Err(MongodbError::Read(_)), Some(first)) => Err(MongodbError::Write(first)),
        (outcome, _) => outcome,
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use mongodb::bson::doc;
    use tokio::time::Instant;

    use super::*;

    fn not_primary() -> DriverError {
        let reply = doc! { "writeConcernError": { "code": 189 } };
        DriverError::write_errors(&reply).unwrap_err()
    }

    /// Returns the outcome of these attempts, which of them got the error of an earlier attempt, and the time they
    /// took.
    async fn run(attempts: Vec<Result<(), MongodbError>>) -> (Result<(), MongodbError>, Vec<bool>, Duration) {
        let started = Instant::now();
        let (attempts, got_earlier) = (RefCell::new(attempts.into_iter()), RefCell::new(Vec::new()));
        let outcome = retry_through_elections(|unknown| {
            got_earlier.borrow_mut().push(unknown.is_some());
            let outcome = attempts
                .borrow_mut()
                .next()
                .expect("there are no more attempts than outcomes");
            async { outcome }
        });
        (outcome.await, got_earlier.into_inner(), started.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn calls_are_repeated_while_the_primary_steps_down() {
        let step_down = || Err(MongodbError::Read(not_primary()));
        let (outcome, got_earlier, took) = run(vec![step_down(), step_down(), Ok(())]).await;
        assert!(outcome.is_ok());
        assert_eq!((got_earlier, took), (vec![false; 3], PAUSES.iter().sum::<Duration>()));
        let (outcome, _, took) = run(vec![step_down(), step_down(), step_down()]).await;
        assert!(matches!(outcome, Err(MongodbError::Read(_))));
        assert_eq!(took, PAUSES.iter().sum::<Duration>());
    }

    #[tokio::test(start_paused = true)]
    async fn unknown_outcome_of_an_earlier_attempt_is_kept() {
        let unknown = || Err(MongodbError::Write(not_primary()));
        let (outcome, got_earlier, _) = run(vec![unknown(), Ok(())]).await;
        assert!(outcome.is_ok());
        assert_eq!(got_earlier, [false, true]);
        let read_failed = Err(MongodbError::Read(DriverError::unreadable()));
        let (outcome, got_earlier, took) = run(vec![unknown(), read_failed]).await;
        assert!(matches!(outcome, Err(MongodbError::Write(_))));
        assert_eq!((got_earlier, took), (vec![false, true], PAUSES[0]));
    }

    #[tokio::test(start_paused = true)]
    async fn other_errors_are_returned_at_once() {
        for error in [
            MongodbError::Read(DriverError::unreadable()),
            MongodbError::Write(DriverError::unreadable()),
        ] {
            let (outcome, got_earlier, took) = run(vec![Err(error)]).await;
            assert!(outcome.is_err());
            assert_eq!((got_earlier, took), (vec![false], Duration::ZERO));
        }
    }
}
