//! Limits the request rate of each calling client and each calling user.

use std::hash::{BuildHasher as _, RandomState};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use domain::ids::{ClientId, UserId};
use governor::Quota;
use governor::clock::{Clock, DefaultClock};
use ports::{MetricEvent, RequestLimit, Telemetry};

use crate::keyed_rate_limiter::KeyedRateLimiter;
use crate::problem::Problem;
use crate::settings::LimitSettings;

/// The maximum number of remembered clients, and of remembered users. The least recently used one is evicted first. A
/// hundred thousand states are some tens of megabytes.
const CAPACITY: u64 = 100_000;

/// The time for which a key is kept without a request. Its quota is full again after one second; the other second is a
/// margin.
const IDLE: Duration = Duration::from_secs(2);

/// Counts requests by the client and the user of their verified tokens, so that unauthenticated callers cannot create
/// keys.
pub(crate) struct RequestLimiter<C: Clock = DefaultClock> {
    clients: Option<KeyedRateLimiter<C>>,
    users: Option<KeyedRateLimiter<C>>,
    hasher: RandomState,
    telemetry: Arc<dyn Telemetry>,
}

impl RequestLimiter {
    pub(crate) fn new(settings: LimitSettings, telemetry: Arc<dyn Telemetry>) -> Self {
        Self::with_clock(settings, &DefaultClock::default(), telemetry)
    }
}

impl<C: Clock + Clone> RequestLimiter<C> {
    fn with_clock(settings: LimitSettings, clock: &C, telemetry: Arc<dyn Telemetry>) -> Self {
        let limiter = |per_second| {
            let quota = Quota::per_second(NonZeroU32::new(per_second)?);
            Some(KeyedRateLimiter::new(quota, clock.clone(), CAPACITY, IDLE))
        };
        Self {
            clients: limiter(settings.requests_per_client),
            users: limiter(settings.requests_per_user),
            hasher: RandomState::new(),
            telemetry,
        }
    }
}

impl<C: Clock> RequestLimiter<C> {
    /// Counts a request of the client and its user, or returns a 429.
    pub(crate) fn admit(&self, client: &ClientId, user: Option<&UserId>) -> Result<(), Problem> {
        self.take(RequestLimit::Client, self.clients.as_ref(), Some(client))?;
        self.take(RequestLimit::User, self.users.as_ref(), user)
    }

    fn take(
        &self,
        limit: RequestLimit,
        limiter: Option<&KeyedRateLimiter<C>>,
        key: Option<&impl std::hash::Hash>,
    ) -> Result<(), Problem> {
        let (Some(limiter), Some(key)) = (limiter, key) else {
            return Ok(());
        };
        limiter.take(self.hasher.hash_one(key)).map_err(|wait| {
            self.telemetry.record(MetricEvent::RequestRefused(limit));
            Problem::too_many_requests(format!("too many requests of this {}", limit.as_str()), wait)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use actix_web::ResponseError as _;
    use governor::clock::FakeRelativeClock;

    use super::*;

    #[derive(Default)]
    struct RefusedRequests(Mutex<Vec<RequestLimit>>);

    impl Telemetry for RefusedRequests {
        fn record(&self, event: MetricEvent) {
            if let MetricEvent::RequestRefused(limit) = event {
                self.0.lock().unwrap().push(limit);
            }
        }
    }

    /// Returns the status of a refused request as the error.
    fn admit(limiter: &RequestLimiter<FakeRelativeClock>, client: &str, user: Option<&str>) -> Result<(), u16> {
        let user = user.map(|user| UserId::parse(user).unwrap());
        let admitted = limiter.admit(&ClientId::parse(client).unwrap(), user.as_ref());
        admitted.map_err(|problem| problem.status_code().as_u16())
    }

    #[test]
    fn clients_and_users_have_separate_limits() {
        let (clock, refused_requests) = (FakeRelativeClock::default(), Arc::<RefusedRequests>::default());
        let settings = LimitSettings {
            requests_per_client: 4,
            requests_per_user: 2,
        };
        let limiter = RequestLimiter::with_clock(settings, &clock, refused_requests.clone());
        let admit = |client, user| admit(&limiter, client, user);
        assert_eq!(
            [(); 3].map(|()| admit("portal", Some("ana"))),
            [Ok(()), Ok(()), Err(429)]
        );
        // The third request counted for the client before its user's limit refused it.
        assert_eq!([(); 2].map(|()| admit("portal", None)), [Ok(()), Err(429)]);
        assert_eq!(admit("shop", Some("ana")), Err(429));
        assert_eq!(admit("shop", Some("bia")), Ok(()));
        clock.advance(Duration::from_secs(1));
        assert_eq!(admit("portal", Some("ana")), Ok(()));
        let refused = [RequestLimit::User, RequestLimit::Client, RequestLimit::User];
        assert_eq!(*refused_requests.0.lock().unwrap(), refused);
    }

    #[test]
    fn zero_means_no_limit() {
        let limiter = RequestLimiter::with_clock(
            LimitSettings {
                requests_per_client: 0,
                requests_per_user: 0,
            },
            &FakeRelativeClock::default(),
            Arc::<RefusedRequests>::default(),
        );
        assert!((0..10_000).all(|_| admit(&limiter, "portal", Some("ana")).is_ok()));
    }
}
