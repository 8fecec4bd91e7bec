//! Budgets that fill up evenly, one for each key, in bounded memory.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use governor::clock::Clock;
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::StateStore;
use governor::{Quota, RateLimiter};
use moka::policy::EvictionPolicy;
use moka::sync::Cache;

/// So many of something for each key, in the time of a quota. Keys are hashes, so that no name takes up more memory.
pub(crate) struct Budget<C: Clock>(RateLimiter<BudgetQuery, BudgetStates, C, NoOpMiddleware<C::Instant>>);

impl<C: Clock> Budget<C> {
    /// Remembers at most `capacity` keys; the least recently seen go first, and each one `idle` after it was seen, when
    /// its budget must be whole again.
    pub(crate) fn new(quota: Quota, clock: C, capacity: u64, idle: Duration) -> Self {
        let states = Cache::builder()
            .max_capacity(capacity)
            .eviction_policy(EvictionPolicy::lru())
            .time_to_idle(idle)
            .build();
        Self(RateLimiter::new(quota, BudgetStates(states), clock))
    }

    /// How long until there is room; `None` when there is.
    pub(crate) fn wait(&self, key: u64) -> Option<Duration> {
        self.check(&BudgetQuery::Look(key)).err()
    }

    /// Takes one from the budget, or tells how long until there is room. A refusal takes nothing.
    pub(crate) fn take(&self, key: u64) -> Result<(), Duration> {
        self.check(&BudgetQuery::Charge(key))
    }

    fn check(&self, ask: &BudgetQuery) -> Result<(), Duration> {
        let checked = self.0.check_key(ask);
        checked.map_err(|full| full.wait_time_from(self.0.clock().now()))
    }

    /// How many keys are kept, once it has cleaned up.
    #[cfg(test)]
    pub(crate) fn remembered(self) -> u64 {
        let BudgetStates(states) = self.0.into_state_store();
        states.run_pending_tasks();
        states.entry_count()
    }
}

/// What is asked about a key. The limiter itself cannot look without counting.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum BudgetQuery {
    Look(u64),
    Charge(u64),
}

/// The limiter's state of each key: bounded, and forgotten when it says no more than that there is room.
struct BudgetStates(Cache<u64, Arc<Mutex<Option<Nanos>>>>);

impl StateStore for BudgetStates {
    type Key = BudgetQuery;

    fn measure_and_replace<T, F, E>(&self, ask: &BudgetQuery, judge: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let state = match *ask {
            BudgetQuery::Look(key) => self.0.get(&key).unwrap_or_default(),
            BudgetQuery::Charge(key) => self.0.get_with(key, Arc::default),
        };
        let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
        let (told, counted) = judge(*state)?;
        if let BudgetQuery::Charge(_) = ask {
            *state = Some(counted);
        }
        Ok(told)
    }
}
