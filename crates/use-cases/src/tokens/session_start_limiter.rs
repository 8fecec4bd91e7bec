use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use domain::ids::{ClientId, UserId};
use domain::time::{self, Timestamp};

const WINDOW: Duration = Duration::from_mins(1);

/// Counts the sessions that a client starts of one user, in this process, so that one stolen token does not fill the
/// store. It remembers those of the last minute only: never more than the store took in that time.
pub(super) struct SessionStartLimiter {
    most: usize,
    started: Mutex<StartCount>,
}

#[derive(Default)]
struct StartCount {
    by_pair: HashMap<(ClientId, UserId), VecDeque<Timestamp>>,
    /// What is older than a minute is dropped then.
    cleaned_at: Option<Timestamp>,
}

impl SessionStartLimiter {
    /// At most so many of one user by one client in a minute; 0 for no limit.
    pub(super) fn at_most(most: u32) -> Self {
        Self {
            most: usize::try_from(most).unwrap_or(usize::MAX),
            started: Mutex::default(),
        }
    }

    /// Counts a session that starts `now`, or tells how long until one may.
    pub(super) fn take(&self, client: &ClientId, user: &UserId, now: Timestamp) -> Result<(), Duration> {
        if self.most == 0 {
            return Ok(());
        }
        let mut started = self.started.lock().unwrap_or_else(PoisonError::into_inner);
        started.clean(now);
        let times = started.by_pair.entry((client.clone(), user.clone())).or_default();
        forget_old(times, now);
        if times.len() < self.most {
            times.push_back(now);
            return Ok(());
        }
        let oldest = times.front().copied().unwrap_or(now);
        let left = time::after(oldest, WINDOW).duration_since(now);
        Err(Duration::try_from(left).unwrap_or_default())
    }
}

impl StartCount {
    fn clean(&mut self, now: Timestamp) {
        if self
            .cleaned_at
            .is_some_and(|cleaned_at| now < time::after(cleaned_at, WINDOW))
        {
            return;
        }
        self.cleaned_at = Some(now);
        self.by_pair.retain(|_, times| {
            forget_old(times, now);
            !times.is_empty()
        });
    }
}

fn forget_old(times: &mut VecDeque<Timestamp>, now: Timestamp) {
    while times.front().is_some_and(|oldest| time::after(*oldest, WINDOW) <= now) {
        times.pop_front();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_767_225_600 + second).unwrap()
    }

    fn admit(limit: &SessionStartLimiter, client: &str, user: &str, second: i64) -> Result<(), Duration> {
        limit.take(
            &ClientId::parse(client).unwrap(),
            &UserId::parse(user).unwrap(),
            at(second),
        )
    }

    #[test]
    fn in_no_minute_are_there_more_than_the_limit() {
        let limit = SessionStartLimiter::at_most(3);
        for second in [0, 10, 50] {
            assert_eq!(admit(&limit, "portal", "ana", second), Ok(()));
        }
        assert_eq!(admit(&limit, "portal", "ana", 55), Err(Duration::from_secs(5)));
        assert_eq!(admit(&limit, "portal", "ana", 60), Ok(()));
        assert_eq!(admit(&limit, "portal", "ana", 69), Err(Duration::from_secs(1)));
        assert_eq!(admit(&limit, "portal", "ana", 70), Ok(()));
    }

    #[test]
    fn other_users_and_other_clients_have_limits_of_their_own() {
        let limit = SessionStartLimiter::at_most(1);
        assert_eq!(admit(&limit, "portal", "ana", 0), Ok(()));
        assert!(admit(&limit, "portal", "ana", 1).is_err());
        assert_eq!(admit(&limit, "portal", "bia", 1), Ok(()));
        assert_eq!(admit(&limit, "shop", "ana", 1), Ok(()));
    }

    #[test]
    fn a_minute_later_nothing_is_remembered() {
        let limit = SessionStartLimiter::at_most(1);
        for user in 0..1_000 {
            assert_eq!(admit(&limit, "portal", &format!("user-{user}"), 0), Ok(()));
        }
        assert_eq!(admit(&limit, "portal", "ana", 61), Ok(()));
        assert_eq!(limit.started.lock().unwrap().by_pair.len(), 1);
    }

    #[test]
    fn zero_is_no_limit() {
        let limit = SessionStartLimiter::at_most(0);
        assert!((0..1_000).all(|_| admit(&limit, "portal", "ana", 0).is_ok()));
    }
}
