//! Limits how often client logins may fail, so that a caller cannot guess secrets.

use std::hash::{BuildHasher as _, RandomState};
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use governor::Quota;
use governor::clock::{Clock, DefaultClock};

use crate::keyed_rate_limiter::KeyedRateLimiter;
use crate::peer::network;
use crate::settings::LoginGuardSettings;

/// The maximum number of client ids, of networks, and of pairs of both that are remembered. Of each, the least recently
/// used is evicted first, so client ids that an attacker tries once do not displace those that it keeps trying.
const CAPACITY: u64 = 10_000;

/// The period of the quotas, after which an unused quota is full again.
const PERIOD: Duration = Duration::from_mins(1);

/// Refuses a login before its secret is compared if too many logins have failed. Only failed logins use up quota. A
/// client that knows its secret may therefore log in as often as it likes, and a refused login does not extend the
/// wait.
///
/// A client id that has used up its quota is refused only from networks that failed with it within the last minute.
/// Scenario: A is the client. B is an attacker with 1,000 networks that sends A's client id. After 100 failures, B has
/// one attempt per minute from each network. A's own network has no failure, so A logs in immediately. If the guard
/// refused the client id from every network, B could lock A out. B can hinder A only from A's own network. Every proxy
/// must therefore be listed in `http.trusted_proxies`: all clients behind an unlisted proxy share its network.
///
/// The guard does not know which clients exist, so its responses do not reveal that. A failure is counted after the
/// comparison. Logins that are compared in parallel may therefore exceed a quota by their number.
pub(crate) struct LoginGuard<C: Clock = DefaultClock> {
    networks: KeyedRateLimiter<C>,
    clients: KeyedRateLimiter<C>,
    pairs: KeyedRateLimiter<C>,
    hasher: RandomState,
}

impl LoginGuard {
    pub(crate) fn new(settings: LoginGuardSettings) -> Self {
        Self::with_clock(settings, &DefaultClock::default(), CAPACITY)
    }
}

impl<C: Clock + Clone> LoginGuard<C> {
    fn with_clock(settings: LoginGuardSettings, clock: &C, capacity: u64) -> Self {
        let limiter = |failures| KeyedRateLimiter::new(Quota::per_minute(failures), clock.clone(), capacity, PERIOD);
        Self {
            networks: limiter(settings.failures_per_peer),
            clients: limiter(settings.failures_per_client),
            pairs: limiter(NonZeroU32::MIN),
            hasher: RandomState::new(),
        }
    }
}

impl<C: Clock> LoginGuard<C> {
    /// Admits a login, whose secret may then be compared, or returns how long the caller must wait.
    pub(crate) fn admit(&self, address: Option<IpAddr>, client: &str) -> Result<LoginAttempt<'_, C>, Duration> {
        let network = address.map(network);
        let attempt = LoginAttempt {
            guard: self,
            network: self.hasher.hash_one(network),
            client: self.hasher.hash_one(client),
            pair: self.hasher.hash_one((network, client)),
        };
        let client_wait = self.clients.wait_time(attempt.client);
        let client_wait = client_wait.and_then(|wait| Some(wait.min(self.pairs.wait_time(attempt.pair)?)));
        match self.networks.wait_time(attempt.network).max(client_wait) {
            Some(wait) => Err(wait),
            None => Ok(attempt),
        }
    }
}

/// An admitted login. Its client id and network are hashed, so that long names take up no more memory.
pub(crate) struct LoginAttempt<'a, C: Clock = DefaultClock> {
    guard: &'a LoginGuard<C>,
    network: u64,
    client: u64,
    pair: u64,
}

impl<C: Clock> LoginAttempt<'_, C> {
    /// Counts the login as failed: its client id and secret did not match. A quota that parallel failures have used up
    /// in the meantime stays as it is.
    pub(crate) fn record_failure(self) {
        let _ = self.guard.networks.take(self.network);
        let _ = self.guard.clients.take(self.client);
        let _ = self.guard.pairs.take(self.pair);
    }
}

#[cfg(test)]
mod tests {
    use governor::clock::FakeRelativeClock;

    use super::*;

    fn settings(client: u32, network: u32) -> LoginGuardSettings {
        LoginGuardSettings {
            failures_per_client: NonZeroU32::new(client).unwrap(),
            failures_per_peer: NonZeroU32::new(network).unwrap(),
        }
    }

    fn guard(client: u32, network: u32) -> (LoginGuard<FakeRelativeClock>, FakeRelativeClock) {
        let clock = FakeRelativeClock::default();
        (LoginGuard::with_clock(settings(client, network), &clock, 100), clock)
    }

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    /// Returns how long a login has to wait.
    fn wait_time(guard: &LoginGuard<FakeRelativeClock>, from: &str, client: &str) -> Option<Duration> {
        guard.admit(Some(address(from)), client).err()
    }

    /// Fails at most `max` logins, until one is refused, and returns how many were admitted.
    fn fail_logins(guard: &LoginGuard<FakeRelativeClock>, from: &str, client: &str, max: usize) -> usize {
        let admitted = (0..max).map_while(|_| guard.admit(Some(address(from)), client).ok());
        admitted.map(LoginAttempt::record_failure).count()
    }

    #[test]
    fn a_client_is_limited_only_where_it_failed() {
        let (guard, clock) = guard(6, 100);
        assert_eq!(fail_logins(&guard, "192.0.2.1", "portal", 50), 6);
        assert_eq!(wait_time(&guard, "192.0.2.1", "portal"), Some(Duration::from_secs(10)));
        assert_eq!(wait_time(&guard, "192.0.2.1", "shop"), None);
        assert_eq!(wait_time(&guard, "192.0.2.2", "portal"), None);
        clock.advance(Duration::from_millis(9_999));
        assert_eq!(wait_time(&guard, "192.0.2.1", "portal"), Some(Duration::from_millis(1)));
        clock.advance(Duration::from_millis(1));
        assert_eq!(fail_logins(&guard, "192.0.2.1", "portal", 50), 1);
        clock.advance(PERIOD);
        assert_eq!(fail_logins(&guard, "192.0.2.1", "portal", 50), 6);
    }

    #[test]
    fn a_network_is_limited_over_all_clients() {
        let (guard, clock) = guard(100, 6);
        let admitted = (0..50).filter(|n| fail_logins(&guard, "192.0.2.1", &format!("client-{n}"), 1) == 1);
        assert_eq!(admitted.count(), 6);
        assert_eq!(wait_time(&guard, "192.0.2.1", "portal"), Some(Duration::from_secs(10)));
        assert_eq!(wait_time(&guard, "192.0.2.2", "client-0"), None);
        clock.advance(Duration::from_secs(10));
        assert_eq!(wait_time(&guard, "192.0.2.1", "portal"), None);
    }

    #[test]
    fn failures_elsewhere_do_not_lock_the_client_out() {
        let (guard, clock) = guard(10, 100);
        assert_eq!(fail_logins(&guard, "192.0.2.1", "portal", 50), 10);
        let from_all = || (0..40).map(|n| fail_logins(&guard, &format!("198.51.100.{n}"), "portal", 50));
        assert_eq!(from_all().sum::<usize>(), 40);
        assert_eq!(from_all().sum::<usize>(), 0);
        assert_eq!(wait_time(&guard, "203.0.113.1", "portal"), None);
        clock.advance(PERIOD);
        // The client's quota allows ten again. After that, each network has one of its own.
        assert_eq!(from_all().sum::<usize>(), 49);
        assert_eq!(wait_time(&guard, "203.0.113.1", "portal"), None);
    }

    #[test]
    fn refused_logins_do_not_extend_the_wait() {
        let (guard, clock) = guard(6, 100);
        fail_logins(&guard, "192.0.2.1", "portal", 6);
        for left in (1..=10).rev() {
            assert_eq!(fail_logins(&guard, "192.0.2.1", "portal", 1_000), 0);
            assert_eq!(
                wait_time(&guard, "192.0.2.1", "portal"),
                Some(Duration::from_secs(left))
            );
            clock.advance(Duration::from_secs(1));
        }
        assert_eq!(wait_time(&guard, "192.0.2.1", "portal"), None);
    }

    #[test]
    fn the_longer_wait_of_both_quotas_is_returned() {
        let (by_network, _) = guard(6, 3);
        assert_eq!(fail_logins(&by_network, "192.0.2.1", "portal", 50), 3);
        assert_eq!(fail_logins(&by_network, "192.0.2.2", "portal", 50), 3);
        assert_eq!(
            wait_time(&by_network, "192.0.2.1", "portal"),
            Some(Duration::from_secs(20))
        );
        let (by_client, _) = guard(2, 6);
        for client in ["portal", "shop", "bank"] {
            assert_eq!(fail_logins(&by_client, "192.0.2.1", client, 50), 2);
        }
        assert_eq!(
            wait_time(&by_client, "192.0.2.1", "portal"),
            Some(Duration::from_secs(30))
        );
        assert_eq!(
            wait_time(&by_client, "192.0.2.1", "unknown"),
            Some(Duration::from_secs(10))
        );
    }

    #[test]
    fn successful_logins_store_nothing() {
        let (guard, _) = guard(1, 1);
        for _ in 0..1_000 {
            assert!(guard.admit(Some(address("192.0.2.1")), "portal").is_ok());
        }
        for limiter in [guard.networks, guard.clients, guard.pairs] {
            assert_eq!(limiter.key_count(), 0);
        }
    }

    #[test]
    fn an_ipv6_caller_counts_as_its_64_bit_network() {
        let (guard, _) = guard(100, 3);
        let admitted = (0..50).filter(|n| fail_logins(&guard, &format!("2001:db8::{n}:1"), "portal", 1) == 1);
        assert_eq!(admitted.count(), 3);
        assert!(wait_time(&guard, "2001:db8:0:0:ffff:ffff:ffff:ffff", "shop").is_some());
        assert_eq!(wait_time(&guard, "2001:db8:0:1::1", "portal"), None);
        assert_eq!(network(address("192.0.2.1")), address("192.0.2.1"));
    }

    #[test]
    fn callers_without_an_address_share_one_quota() {
        let (guard, _) = guard(100, 3);
        let admitted = (0..50).map_while(|_| guard.admit(None, "portal").ok());
        assert_eq!(admitted.map(LoginAttempt::record_failure).count(), 3);
        assert_eq!(wait_time(&guard, "192.0.2.1", "portal"), None);
    }

    /// Returns a thousand addresses, each with its own client id: ten times as many as the guard remembers.
    fn other_callers() -> impl Iterator<Item = (Option<IpAddr>, String)> {
        (0..1_000_u32).map(|n| (Some(IpAddr::from(n.to_be_bytes())), format!("client-{n}")))
    }

    #[test]
    fn memory_is_bounded_over_all_names_and_networks() {
        let (guard, _) = guard(2, 2);
        for (from, client) in other_callers() {
            let attempt = guard.admit(from, &client.repeat(1_000)).ok().unwrap();
            attempt.record_failure();
        }
        for limiter in [guard.networks, guard.clients, guard.pairs] {
            assert_eq!(limiter.key_count(), 100);
        }
    }

    #[test]
    fn single_failures_do_not_evict_a_repeated_guesser() {
        let (guard, _) = guard(2, 2);
        assert_eq!(fail_logins(&guard, "192.0.2.1", "portal", 50), 2);
        for (from, client) in other_callers() {
            guard.admit(from, &client).ok().unwrap().record_failure();
            assert_eq!(fail_logins(&guard, "192.0.2.1", "portal", 1), 0);
        }
    }
}
