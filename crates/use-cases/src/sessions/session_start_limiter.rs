use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use domain::ids::{ClientId, FamilyId, UserId};
use domain::time::{self, Timestamp};

/// The period over which starts are counted: the setting is a number per minute.
const WINDOW: Duration = Duration::from_mins(1);

/// Limits the sessions of one user that a client starts in this process, so that one stolen token cannot fill the
/// store. It remembers the starts of the last minute only, so its memory is bounded by the sessions stored in that
/// time.
pub(crate) struct SessionStartLimiter {
    max_per_minute: usize,
    starts: Mutex<Starts>,
}

#[derive(Default)]
struct Starts {
    by_pair: HashMap<(ClientId, UserId), VecDeque<(Timestamp, FamilyId)>>,
    /// The time at which old starts of all pairs were last removed. This happens once a minute, because it visits every
    /// pair.
    cleaned_at: Option<Timestamp>,
}

impl SessionStartLimiter {
    /// `max_per_minute` is the limit for one user and one client; 0 means no limit.
    pub(crate) fn new(max_per_minute: u32) -> Self {
        Self {
            max_per_minute: usize::try_from(max_per_minute).unwrap_or(usize::MAX),
            starts: Mutex::default(),
        }
    }

    /// Counts the session `id`, which starts `now`. If the limit is reached, counts nothing and returns the time until
    /// the next start is allowed. A session is counted once, although parallel uses of one validation token start it
    /// several times.
    pub(crate) fn take(
        &self,
        (client, user): (&ClientId, &UserId),
        id: &FamilyId,
        now: Timestamp,
    ) -> Result<(), Duration> {
        if self.max_per_minute == 0 {
            return Ok(());
        }
        let mut starts = self.starts.lock().unwrap_or_else(PoisonError::into_inner);
        starts.clean(now);
        let times = starts.by_pair.entry((client.clone(), user.clone())).or_default();
        drop_old(times, now);
        if times.iter().any(|(_, counted)| counted == id) {
            return Ok(());
        }
        if times.len() < self.max_per_minute {
            times.push_back((now, id.clone()));
            return Ok(());
        }
        let oldest = times.front().map_or(now, |(at, _)| *at);
        let left = time::after(oldest, WINDOW).duration_since(now);
        Err(Duration::try_from(left).unwrap_or_default())
    }
}

impl Starts {
    fn clean(&mut self, now: Timestamp) {
        if self
            .cleaned_at
            .is_some_and(|cleaned_at| now < time::after(cleaned_at, WINDOW))
        {
            return;
        }
        self.cleaned_at = Some(now);
        self.by_pair.retain(|_, times| {
            drop_old(times, now);
            !times.is_empty()
        });
    }
}

fn drop_old(times: &mut VecDeque<(Timestamp, FamilyId)>, now: Timestamp) {
    while times
        .front()
        .is_some_and(|(oldest, _)| time::after(*oldest, WINDOW) <= now)
    {
        times.pop_front();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_767_225_600 + second).unwrap()
    }

    /// Takes a new session.
    fn take(limiter: &SessionStartLimiter, client: &str, user: &str, second: i64) -> Result<(), Duration> {
        static SESSIONS: AtomicU32 = AtomicU32::new(0);
        let [a, b, c, d] = SESSIONS.fetch_add(1, Ordering::Relaxed).to_be_bytes();
        let id = [1, 0, 0, 0, 0, 0, 0, 0, a, b, c, d];
        take_session(limiter, client, user, (id, second))
    }

    fn take_session(
        limiter: &SessionStartLimiter,
        client: &str,
        user: &str,
        (id, second): ([u8; 12], i64),
    ) -> Result<(), Duration> {
        let pair = (&ClientId::parse(client).unwrap(), &UserId::parse(user).unwrap());
        limiter.take(pair, &FamilyId::from_random(id), at(second))
    }

    #[test]
    fn a_session_is_counted_once() {
        let limiter = SessionStartLimiter::new(2);
        for _ in 0..64 {
            assert_eq!(take_session(&limiter, "portal", "ana", ([1; 12], 0)), Ok(()));
        }
        assert_eq!(take_session(&limiter, "portal", "ana", ([2; 12], 0)), Ok(()));
        assert!(take_session(&limiter, "portal", "ana", ([3; 12], 0)).is_err());
        assert_eq!(take_session(&limiter, "portal", "ana", ([1; 12], 59)), Ok(()));
    }

    #[test]
    fn no_minute_has_more_starts_than_the_limit() {
        let limiter = SessionStartLimiter::new(3);
        for second in [0, 10, 50] {
            assert_eq!(take(&limiter, "portal", "ana", second), Ok(()));
        }
        assert_eq!(take(&limiter, "portal", "ana", 55), Err(Duration::from_secs(5)));
        assert_eq!(take(&limiter, "portal", "ana", 60), Ok(()));
        assert_eq!(take(&limiter, "portal", "ana", 69), Err(Duration::from_secs(1)));
        assert_eq!(take(&limiter, "portal", "ana", 70), Ok(()));
    }

    #[test]
    fn each_user_and_client_has_its_own_limit() {
        let limiter = SessionStartLimiter::new(1);
        assert_eq!(take(&limiter, "portal", "ana", 0), Ok(()));
        assert!(take(&limiter, "portal", "ana", 1).is_err());
        assert_eq!(take(&limiter, "portal", "bia", 1), Ok(()));
        assert_eq!(take(&limiter, "shop", "ana", 1), Ok(()));
    }

    #[test]
    fn starts_are_forgotten_after_a_minute() {
        let limiter = SessionStartLimiter::new(1);
        for user in 0..1_000 {
            assert_eq!(take(&limiter, "portal", &format!("user-{user}"), 0), Ok(()));
        }
        assert_eq!(take(&limiter, "portal", "ana", 61), Ok(()));
        assert_eq!(limiter.starts.lock().unwrap().by_pair.len(), 1);
    }

    #[test]
    fn zero_is_no_limit() {
        let limiter = SessionStartLimiter::new(0);
        assert!((0..1_000).all(|_| take(&limiter, "portal", "ana", 0).is_ok()));
    }
}
