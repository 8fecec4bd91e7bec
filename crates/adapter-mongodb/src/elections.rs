//! A primary that steps down answers that it is none. What it was asked goes to the next one.

use std::time::Duration;

use tokio::time::sleep;

use crate::error::{DriverError, MongodbError};

/// The pauses before the second and the third attempt: an election that was asked for takes about as long. The caller has
/// an answer within three seconds.
pub(crate) const PAUSES: [Duration; 2] = [Duration::from_millis(100), Duration::from_millis(300)];

/// Makes an attempt, and up to two more while the answer is that the server is not the primary.
///
/// Each attempt is told why the outcome of an earlier one is not known, when that is so: what it does not find as it
/// expected may be its own doing. One that did nothing itself leaves the outcome as unknown as it was.
pub(crate) async fn retry_through_elections<T, F>(attempt: impl Fn(Option<DriverError>) -> F) -> Result<T, MongodbError>
where
    F: Future<Output = Result<T, MongodbError>>,
{
    let mut unknown = None;
    let mut pauses = PAUSES.into_iter();
    loop {
        let done = attempt(unknown.clone()).await;
        let (Err(MongodbError::Read(failure) | MongodbError::Write(failure)), Some(pause)) = (&done, pauses.next())
        else {
            return known(done, unknown);
        };
        if !failure.is_not_primary() {
            return known(done, unknown);
        }
        if let Err(MongodbError::Write(failure)) = done {
            unknown.get_or_insert(failure);
        }
        sleep(pause).await;
    }
}

fn known<T>(done: Result<T, MongodbError>, unknown: Option<DriverError>) -> Result<T, MongodbError> {
    match (done, unknown) {
        (Err(MongodbError::Read(_)), Some(first)) => Err(MongodbError::Write(first)),
        (done, _) => done,
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use mongodb::bson::doc;
    use tokio::time::Instant;

    use super::*;

    fn not_primary() -> DriverError {
        let answer = doc! { "writeConcernError": { "code": 189 } };
        DriverError::of_statements(&answer).unwrap_err()
    }

    /// What comes of these attempts, which of them were told of an unknown outcome, and how long it took.
    async fn tried(attempts: Vec<Result<(), MongodbError>>) -> (Result<(), MongodbError>, Vec<bool>, Duration) {
        let begun = Instant::now();
        let (attempts, told) = (RefCell::new(attempts.into_iter()), RefCell::new(Vec::new()));
        let outcome = retry_through_elections(|unknown| {
            told.borrow_mut().push(unknown.is_some());
            let outcome = attempts.borrow_mut().next().expect("no more attempts than these");
            async { outcome }
        });
        (outcome.await, told.into_inner(), begun.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_primary_that_steps_down_refuses_is_asked_of_the_next() {
        let again = || Err(MongodbError::Read(not_primary()));
        let (outcome, told, took) = tried(vec![again(), again(), Ok(())]).await;
        assert!(outcome.is_ok());
        assert_eq!((told, took), (vec![false; 3], PAUSES.iter().sum::<Duration>()));
        let (outcome, _, took) = tried(vec![again(), again(), again()]).await;
        assert!(matches!(outcome, Err(MongodbError::Read(_))));
        assert_eq!(took, PAUSES.iter().sum::<Duration>());
    }

    #[tokio::test(start_paused = true)]
    async fn an_attempt_after_an_unknown_outcome_is_told_and_makes_it_no_more_known_than_it_is() {
        let unknown = || Err(MongodbError::Write(not_primary()));
        let (outcome, told, _) = tried(vec![unknown(), Ok(())]).await;
        assert!(outcome.is_ok());
        assert_eq!(told, [false, true]);
        let away = Err(MongodbError::Read(DriverError::unreadable()));
        let (outcome, told, took) = tried(vec![unknown(), away]).await;
        assert!(matches!(outcome, Err(MongodbError::Write(_))));
        assert_eq!((told, took), (vec![false, true], PAUSES[0]));
    }

    #[tokio::test(start_paused = true)]
    async fn any_other_failure_is_answered_at_once() {
        for fault in [
            MongodbError::Read(DriverError::unreadable()),
            MongodbError::Write(DriverError::unreadable()),
        ] {
            let (outcome, told, took) = tried(vec![Err(fault)]).await;
            assert!(outcome.is_err());
            assert_eq!((told, took), (vec![false], Duration::ZERO));
        }
    }
}
