//! How many requests a calling client and a calling user may make.

use std::hash::{BuildHasher as _, RandomState};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use domain::ids::{ClientId, UserId};
use governor::Quota;
use governor::clock::{Clock, DefaultClock};
use ports::{MetricEvent, RequestLimit, Telemetry};

use crate::budget::Budget;
use crate::problem::Problem;

/// Clients and users remembered at most, of each; the least recently seen go first.
const CAPACITY: u64 = 100_000;

/// A budget is whole again after a second.
const IDLE: Duration = Duration::from_secs(2);

/// How many requests a second are answered, in one process. A budget fills up evenly and is whole after a second.
#[derive(Debug, Clone, Copy, Default)]
pub struct RequestLimitSettings {
    /// Of one calling client, with and without users; 0 for no limit.
    pub per_client: u32,
    /// Of one calling user, by any client; 0 for no limit.
    pub per_user: u32,
}

/// Counts requests by who is named in their verified tokens: no text of a stranger becomes a key.
pub(crate) struct RequestLimits<C: Clock = DefaultClock> {
    clients: Option<Budget<C>>,
    users: Option<Budget<C>>,
    hasher: RandomState,
    telemetry: Arc<dyn Telemetry>,
}

impl RequestLimits {
    pub(crate) fn new(settings: RequestLimitSettings, telemetry: Arc<dyn Telemetry>) -> Self {
        Self::with(settings, &DefaultClock::default(), telemetry)
    }
}

impl<C: Clock + Clone> RequestLimits<C> {
    fn with(settings: RequestLimitSettings, clock: &C, telemetry: Arc<dyn Telemetry>) -> Self {
        let budget = |per_second| {
            let quota = Quota::per_second(NonZeroU32::new(per_second)?);
            Some(Budget::new(quota, clock.clone(), CAPACITY, IDLE))
        };
        Self {
            clients: budget(settings.per_client),
            users: budget(settings.per_user),
            hasher: RandomState::new(),
            telemetry,
        }
    }
}

impl<C: Clock> RequestLimits<C> {
    /// Counts a request of this caller, or refuses it with 429.
    pub(crate) fn admit(&self, client: &ClientId, user: Option<&UserId>) -> Result<(), Problem> {
        self.take(RequestLimit::Client, self.clients.as_ref(), Some(client))?;
        self.take(RequestLimit::User, self.users.as_ref(), user)
    }

    fn take(
        &self,
        limit: RequestLimit,
        budget: Option<&Budget<C>>,
        key: Option<&impl std::hash::Hash>,
    ) -> Result<(), Problem> {
        let (Some(budget), Some(key)) = (budget, key) else {
            return Ok(());
        };
        budget.take(self.hasher.hash_one(key)).map_err(|wait| {
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
    struct Refusals(Mutex<Vec<RequestLimit>>);

    impl Telemetry for Refusals {
        fn record(&self, measure: MetricEvent) {
            if let MetricEvent::RequestRefused(limit) = measure {
                self.0.lock().unwrap().push(limit);
            }
        }
    }

    /// The status of a refusal.
    fn admit(limits: &RequestLimits<FakeRelativeClock>, client: &str, user: Option<&str>) -> Result<(), u16> {
        let user = user.map(|user| UserId::parse(user).unwrap());
        let admitted = limits.admit(&ClientId::parse(client).unwrap(), user.as_ref());
        admitted.map_err(|problem| problem.status_code().as_u16())
    }

    #[test]
    fn a_client_and_a_user_have_budgets_of_their_own() {
        let (clock, refusals) = (FakeRelativeClock::default(), Arc::<Refusals>::default());
        let settings = RequestLimitSettings {
            per_client: 4,
            per_user: 2,
        };
        let limits = RequestLimits::with(settings, &clock, refusals.clone());
        let admitted = |client, user| admit(&limits, client, user);
        assert_eq!(
            [(); 3].map(|()| admitted("portal", Some("ana"))),
            [Ok(()), Ok(()), Err(429)]
        );
        // The refused request counts for its client, too.
        assert_eq!([(); 2].map(|()| admitted("portal", None)), [Ok(()), Err(429)]);
        assert_eq!(admitted("shop", Some("ana")), Err(429));
        assert_eq!(admitted("shop", Some("bia")), Ok(()));
        clock.advance(Duration::from_secs(1));
        assert_eq!(admitted("portal", Some("ana")), Ok(()));
        let refused = [RequestLimit::User, RequestLimit::Client, RequestLimit::User];
        assert_eq!(*refusals.0.lock().unwrap(), refused);
    }

    #[test]
    fn zero_is_no_limit() {
        let limits = RequestLimits::with(
            RequestLimitSettings::default(),
            &FakeRelativeClock::default(),
            Arc::<Refusals>::default(),
        );
        assert!((0..10_000).all(|_| admit(&limits, "portal", Some("ana")).is_ok()));
    }
}
