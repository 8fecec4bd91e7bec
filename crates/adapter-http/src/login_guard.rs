//! Paces whoever tries secrets at client login.

use std::hash::{BuildHasher as _, RandomState};
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use governor::Quota;
use governor::clock::{Clock, DefaultClock};

use crate::budget::Budget;
use crate::peer::network;

/// Client ids, addresses and pairs of them remembered at most, of each; the least recently seen go first.
const CAPACITY: u64 = 10_000;

/// In this time an untouched budget is whole again.
const WINDOW: Duration = Duration::from_mins(1);

/// How many logins may fail, in one process. A budget fills up evenly and is whole after a minute.
#[derive(Debug, Clone, Copy)]
pub struct LoginGuardSettings {
    /// Failed logins of a client id a minute, over all addresses; beyond them an address has one a minute. The default
    /// is the 100 of NIST SP 800-63B section 3.2.2, but as a pace: to disable a client after them, as is meant there for
    /// a person's password, would be an outage in the hands of any stranger.
    pub failures_per_client: NonZeroU32,
    /// Failed logins from an address a minute, whatever they name. The default, 300, lets three misconfigured clients
    /// behind one NAT fail at full pace before the others there feel it, and makes a list of a million stolen secrets
    /// more than two days' work.
    pub failures_per_peer: NonZeroU32,
}

impl Default for LoginGuardSettings {
    fn default() -> Self {
        Self {
            failures_per_client: NonZeroU32::MIN.saturating_add(99),
            failures_per_peer: NonZeroU32::MIN.saturating_add(299),
        }
    }
}

/// Refuses logins before their secret is judged, once too many have failed. Only failures count, so a client that knows
/// its secret may log in as often as it likes, and a refusal counts nothing, so it ends however much is sent.
///
/// A client id out of budget is refused only at addresses that failed with it within a minute: were it refused
/// everywhere, a stranger who names it often enough would shut its owner out. So whoever guesses from many addresses has
/// one guess a minute from each, and the owner, who does not fail, always gets in. Only one who shares the owner's
/// address can be in the way, which is why proxies must be named in the settings: behind one that is not, all callers
/// share its address.
///
/// Nothing here knows which clients exist. Logins that are judged at the same time may exceed a budget by their number.
pub(crate) struct LoginGuard<C: Clock = DefaultClock> {
    peers: Budget<C>,
    clients: Budget<C>,
    pairs: Budget<C>,
    hasher: RandomState,
}

impl LoginGuard {
    pub(crate) fn new(settings: LoginGuardSettings) -> Self {
        Self::with(settings, &DefaultClock::default(), CAPACITY)
    }
}

impl<C: Clock + Clone> LoginGuard<C> {
    fn with(settings: LoginGuardSettings, clock: &C, capacity: u64) -> Self {
        let budget = |failures| Budget::new(Quota::per_minute(failures), clock.clone(), capacity, WINDOW);
        Self {
            peers: budget(settings.failures_per_peer),
            clients: budget(settings.failures_per_client),
            pairs: budget(NonZeroU32::MIN),
            hasher: RandomState::new(),
        }
    }
}

impl<C: Clock> LoginGuard<C> {
    /// Lets a login be judged, or tells how long until there is room for it.
    pub(crate) fn admit(&self, address: Option<IpAddr>, client: &str) -> Result<Attempt<'_, C>, Duration> {
        let network = address.map(network);
        let attempt = Attempt {
            guard: self,
            peer: self.hasher.hash_one(network),
            client: self.hasher.hash_one(client),
            pair: self.hasher.hash_one((network, client)),
        };
        let of_client = self.clients.wait(attempt.client);
        let of_client = of_client.and_then(|wait| Some(wait.min(self.pairs.wait(attempt.pair)?)));
        match self.peers.wait(attempt.peer).max(of_client) {
            Some(wait) => Err(wait),
            None => Ok(attempt),
        }
    }
}

/// A login that is judged now. Whom it names and where it comes from are hashes, so that neither takes up more memory.
pub(crate) struct Attempt<'a, C: Clock = DefaultClock> {
    guard: &'a LoginGuard<C>,
    peer: u64,
    client: u64,
    pair: u64,
}

impl<C: Clock> Attempt<'_, C> {
    /// Counts it: name and secret did not fit. One beyond a budget changes nothing: that was told when it was admitted.
    pub(crate) fn failed(self) {
        let _ = self.guard.peers.take(self.peer);
        let _ = self.guard.clients.take(self.client);
        let _ = self.guard.pairs.take(self.pair);
    }
}

#[cfg(test)]
mod tests {
    use governor::clock::FakeRelativeClock;

    use super::*;

    fn settings(client: u32, peer: u32) -> LoginGuardSettings {
        LoginGuardSettings {
            failures_per_client: NonZeroU32::new(client).unwrap(),
            failures_per_peer: NonZeroU32::new(peer).unwrap(),
        }
    }

    fn guard(client: u32, peer: u32) -> (LoginGuard<FakeRelativeClock>, FakeRelativeClock) {
        let clock = FakeRelativeClock::default();
        (LoginGuard::with(settings(client, peer), &clock, 100), clock)
    }

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    /// How long a login has to wait.
    fn wait(guard: &LoginGuard<FakeRelativeClock>, from: &str, client: &str) -> Option<Duration> {
        guard.admit(Some(address(from)), client).err()
    }

    /// Tries secrets as long as they are judged, up to `most`; tells how many were.
    fn guess(guard: &LoginGuard<FakeRelativeClock>, from: &str, client: &str, most: usize) -> usize {
        let judged = (0..most).map_while(|_| guard.admit(Some(address(from)), client).ok());
        judged.map(Attempt::failed).count()
    }

    #[test]
    fn a_client_is_paced_where_it_failed_and_nowhere_else() {
        let (guard, clock) = guard(6, 100);
        assert_eq!(guess(&guard, "192.0.2.1", "portal", 50), 6);
        assert_eq!(wait(&guard, "192.0.2.1", "portal"), Some(Duration::from_secs(10)));
        assert_eq!(wait(&guard, "192.0.2.1", "shop"), None);
        assert_eq!(wait(&guard, "192.0.2.2", "portal"), None);
        clock.advance(Duration::from_millis(9_999));
        assert_eq!(wait(&guard, "192.0.2.1", "portal"), Some(Duration::from_millis(1)));
        clock.advance(Duration::from_millis(1));
        assert_eq!(guess(&guard, "192.0.2.1", "portal", 50), 1);
        clock.advance(WINDOW);
        assert_eq!(guess(&guard, "192.0.2.1", "portal", 50), 6);
    }

    #[test]
    fn an_address_is_paced_whatever_it_names() {
        let (guard, clock) = guard(100, 6);
        let judged = (0..50).filter(|n| guess(&guard, "192.0.2.1", &format!("client-{n}"), 1) == 1);
        assert_eq!(judged.count(), 6);
        assert_eq!(wait(&guard, "192.0.2.1", "portal"), Some(Duration::from_secs(10)));
        assert_eq!(wait(&guard, "192.0.2.2", "client-0"), None);
        clock.advance(Duration::from_secs(10));
        assert_eq!(wait(&guard, "192.0.2.1", "portal"), None);
    }

    #[test]
    fn many_addresses_have_one_guess_a_minute_each_and_do_not_shut_the_owner_out() {
        let (guard, clock) = guard(10, 100);
        assert_eq!(guess(&guard, "192.0.2.1", "portal", 50), 10);
        let from_all = || (0..40).map(|n| guess(&guard, &format!("198.51.100.{n}"), "portal", 50));
        assert_eq!(from_all().sum::<usize>(), 40);
        assert_eq!(from_all().sum::<usize>(), 0);
        assert_eq!(wait(&guard, "203.0.113.1", "portal"), None);
        clock.advance(WINDOW);
        // Ten for whom the client's budget has room again, and then each address's own.
        assert_eq!(from_all().sum::<usize>(), 49);
        assert_eq!(wait(&guard, "203.0.113.1", "portal"), None);
    }

    #[test]
    fn a_refusal_ends_however_often_it_is_asked_for() {
        let (guard, clock) = guard(6, 100);
        guess(&guard, "192.0.2.1", "portal", 6);
        for left in (1..=10).rev() {
            assert_eq!(guess(&guard, "192.0.2.1", "portal", 1_000), 0);
            assert_eq!(wait(&guard, "192.0.2.1", "portal"), Some(Duration::from_secs(left)));
            clock.advance(Duration::from_secs(1));
        }
        assert_eq!(wait(&guard, "192.0.2.1", "portal"), None);
    }

    #[test]
    fn who_waits_for_both_budgets_is_told_the_longer_time() {
        let (by_peer, _) = guard(6, 3);
        assert_eq!(guess(&by_peer, "192.0.2.1", "portal", 50), 3);
        assert_eq!(guess(&by_peer, "192.0.2.2", "portal", 50), 3);
        assert_eq!(wait(&by_peer, "192.0.2.1", "portal"), Some(Duration::from_secs(20)));
        let (by_client, _) = guard(2, 6);
        for client in ["portal", "shop", "bank"] {
            assert_eq!(guess(&by_client, "192.0.2.1", client, 50), 2);
        }
        assert_eq!(wait(&by_client, "192.0.2.1", "portal"), Some(Duration::from_secs(30)));
        assert_eq!(wait(&by_client, "192.0.2.1", "unknown"), Some(Duration::from_secs(10)));
    }

    #[test]
    fn a_login_that_did_not_fail_leaves_nothing_behind() {
        let (guard, _) = guard(1, 1);
        for _ in 0..1_000 {
            assert!(guard.admit(Some(address("192.0.2.1")), "portal").is_ok());
        }
        for budget in [guard.peers, guard.clients, guard.pairs] {
            assert_eq!(budget.remembered(), 0);
        }
    }

    #[test]
    fn an_ipv6_caller_is_its_network() {
        let (guard, _) = guard(100, 3);
        let judged = (0..50).filter(|n| guess(&guard, &format!("2001:db8::{n}:1"), "portal", 1) == 1);
        assert_eq!(judged.count(), 3);
        assert!(wait(&guard, "2001:db8:0:0:ffff:ffff:ffff:ffff", "shop").is_some());
        assert_eq!(wait(&guard, "2001:db8:0:1::1", "portal"), None);
        assert_eq!(network(address("192.0.2.1")), address("192.0.2.1"));
    }

    #[test]
    fn callers_without_an_address_share_one_budget() {
        let (guard, _) = guard(100, 3);
        let judged = (0..50).map_while(|_| guard.admit(None, "portal").ok());
        assert_eq!(judged.map(Attempt::failed).count(), 3);
        assert_eq!(wait(&guard, "192.0.2.1", "portal"), None);
    }

    /// Others who each fail once, each at another client: many more than are remembered.
    fn others() -> impl Iterator<Item = (Option<IpAddr>, String)> {
        (0..1_000_u32).map(|n| (Some(IpAddr::from(n.to_be_bytes())), format!("client-{n}")))
    }

    #[test]
    fn memory_is_bounded_whatever_is_named_from_wherever() {
        let (guard, _) = guard(2, 2);
        for (from, client) in others() {
            let attempt = guard.admit(from, &client.repeat(1_000)).ok().unwrap();
            attempt.failed();
        }
        for budget in [guard.peers, guard.clients, guard.pairs] {
            assert_eq!(budget.remembered(), 100);
        }
    }

    #[test]
    fn those_who_come_once_do_not_wash_away_who_goes_on_guessing() {
        let (guard, _) = guard(2, 2);
        assert_eq!(guess(&guard, "192.0.2.1", "portal", 50), 2);
        for (from, client) in others() {
            guard.admit(from, &client).ok().unwrap().failed();
            assert_eq!(guess(&guard, "192.0.2.1", "portal", 1), 0);
        }
    }
}
