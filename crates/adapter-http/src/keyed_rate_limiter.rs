//! A rate limiter with a quota for each key, in bounded memory.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use governor::clock::Clock;
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::StateStore;
use governor::{Quota, RateLimiter};
use moka::policy::EvictionPolicy;
use moka::sync::Cache;

/// A rate limiter (GCRA) with the same quota for each key. A used quota refills evenly. Keys are 64-bit hashes, so that
/// a long name takes up no more memory than a short one.
pub(crate) struct KeyedRateLimiter<C: Clock>(RateLimiter<RateLimitQuery, KeyStates, C, NoOpMiddleware<C::Instant>>);

impl<C: Clock> KeyedRateLimiter<C> {
    /// Remembers at most `capacity` keys and evicts the least recently used first. A key that is not used for `idle` is
    /// dropped, so `idle` must be long enough for its quota to refill.
    pub(crate) fn new(quota: Quota, clock: C, capacity: u64, idle: Duration) -> Self {
        let states = Cache::builder()
            .max_capacity(capacity)
            .eviction_policy(EvictionPolicy::lru())
            .time_to_idle(idle)
            .build();
        Self(RateLimiter::new(quota, KeyStates(states), clock))
    }

    /// Returns how long the key must wait, or `None` if it has quota left. Takes nothing from the quota.
    pub(crate) fn wait_time(&self, key: u64) -> Option<Duration> {
        self.check(&RateLimitQuery::Peek(key)).err()
    }

    /// Takes one unit of the key's quota, or returns how long the key must wait. A refused call takes nothing, so
    /// retries do not extend the wait.
    pub(crate) fn take(&self, key: u64) -> Result<(), Duration> {
        self.check(&RateLimitQuery::Take(key))
    }

    fn check(&self, query: &RateLimitQuery) -> Result<(), Duration> {
        let checked = self.0.check_key(query);
        checked.map_err(|exceeded| exceeded.wait_time_from(self.0.clock().now()))
    }

    /// Returns the number of keys that remain after the pending evictions.
    #[cfg(test)]
    pub(crate) fn key_count(self) -> u64 {
        let KeyStates(states) = self.0.into_state_store();
        states.run_pending_tasks();
        states.entry_count()
    }
}

/// A key and what to do with its quota. `governor` cannot read a quota without taking from it, so the state store
/// discards the new state of a `Peek`.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum RateLimitQuery {
    Peek(u64),
    Take(u64),
}

/// The state of each key, in bounded memory. A key is dropped after its idle time.
struct KeyStates(Cache<u64, Arc<Mutex<Option<Nanos>>>>);

impl StateStore for KeyStates {
    type Key = RateLimitQuery;

    fn measure_and_replace<T, F, E>(&self, query: &RateLimitQuery, decide: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let state = match *query {
            RateLimitQuery::Peek(key) => self.0.get(&key).unwrap_or_default(),
            RateLimitQuery::Take(key) => self.0.get_with(key, Arc::default),
        };
        let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
        let (outcome, next) = decide(*state)?;
        if let RateLimitQuery::Take(_) = query {
            *state = Some(next);
        }
        Ok(outcome)
    }
}
