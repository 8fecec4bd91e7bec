//! Limits the open connections of the API port.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use ports::ConnectionLimit;

use crate::peer::{TrustedProxies, network};
use crate::settings::HttpSettings;

/// Counts open connections across all workers and refuses those over a limit.
pub(crate) struct ConnectionLimiter {
    per_peer: usize,
    total: usize,
    trusted: TrustedProxies,
    open: Mutex<OpenConnections>,
}

/// The counts of open connections. A network without an open connection has no entry.
#[derive(Default)]
struct OpenConnections {
    total: usize,
    by_network: HashMap<IpAddr, usize>,
}

impl ConnectionLimiter {
    pub(crate) fn new(settings: &HttpSettings, trusted: TrustedProxies) -> Arc<Self> {
        let limit = |max| if max == 0 { usize::MAX } else { max };
        Arc::new(Self {
            per_peer: limit(settings.connections_per_peer),
            total: limit(settings.max_connections()),
            trusted,
            open: Mutex::default(),
        })
    }

    /// Counts a connection until the returned permit is dropped, or returns the limit that it would exceed.
    pub(crate) fn admit(self: &Arc<Self>, peer: Option<IpAddr>) -> Result<ConnectionPermit, ConnectionLimit> {
        let network = peer
            .map(|address| address.to_canonical())
            .filter(|address| !self.trusted.trusts(*address))
            .map(network);
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.total >= self.total {
            return Err(ConnectionLimit::Process);
        }
        if let Some(network) = network {
            let count = open.by_network.entry(network).or_default();
            if *count >= self.per_peer {
                return Err(ConnectionLimit::Peer);
            }
            *count += 1;
        }
        open.total += 1;
        Ok(ConnectionPermit {
            limiter: self.clone(),
            network,
        })
    }

    fn release(&self, network: Option<IpAddr>) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.total -= 1;
        if let Some(network) = network
            && let Some(count) = open.by_network.get_mut(&network)
        {
            *count -= 1;
            if *count == 0 {
                open.by_network.remove(&network);
            }
        }
    }
}

/// A permit for an open connection. The connection is counted until the permit is dropped.
pub(crate) struct ConnectionPermit {
    limiter: Arc<ConnectionLimiter>,
    /// The network that the connection counts for. `None` if the peer is a trusted proxy or its address is unknown.
    network: Option<IpAddr>,
}

impl Drop for ConnectionPermit {
    fn drop(&mut self) {
        self.limiter.release(self.network);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limiter(per_peer: usize, total: usize) -> Arc<ConnectionLimiter> {
        let settings = HttpSettings {
            connections_per_peer: per_peer,
            connections: total,
            ..HttpSettings::default()
        };
        let trusted = TrustedProxies::parse(&["10.0.0.0/8".to_owned()]).unwrap();
        ConnectionLimiter::new(&settings, trusted)
    }

    fn admit(limiter: &Arc<ConnectionLimiter>, peer: &str) -> Result<ConnectionPermit, ConnectionLimit> {
        limiter.admit(Some(peer.parse().unwrap()))
    }

    #[test]
    fn a_peer_is_limited_until_its_connections_close() {
        let limiter = limiter(2, 100);
        let held = [admit(&limiter, "192.0.2.1"), admit(&limiter, "::ffff:192.0.2.1")];
        assert!(held.iter().all(Result::is_ok));
        assert_eq!(admit(&limiter, "192.0.2.1").err(), Some(ConnectionLimit::Peer));
        assert!(admit(&limiter, "192.0.2.2").is_ok());
        drop(held);
        assert!(admit(&limiter, "192.0.2.1").is_ok());
    }

    #[test]
    fn an_ipv6_peer_counts_as_its_64_bit_network() {
        let limiter = limiter(1, 100);
        let _held = admit(&limiter, "2001:db8::1");
        assert_eq!(admit(&limiter, "2001:db8::ffff:1").err(), Some(ConnectionLimit::Peer));
        assert!(admit(&limiter, "2001:db8:0:1::1").is_ok());
    }

    #[test]
    fn only_the_process_limit_applies_to_trusted_proxies() {
        let limiter = limiter(1, 3);
        let held = [(); 3].map(|()| admit(&limiter, "10.1.2.3"));
        assert!(held.iter().all(Result::is_ok));
        assert_eq!(admit(&limiter, "10.1.2.3").err(), Some(ConnectionLimit::Process));
        assert_eq!(admit(&limiter, "192.0.2.1").err(), Some(ConnectionLimit::Process));
    }

    #[test]
    fn zero_means_no_limit_and_closed_connections_leave_no_entry() {
        let limiter = limiter(0, 0);
        let held: Vec<_> = (0..1_000).map(|_| admit(&limiter, "192.0.2.1")).collect();
        assert!(held.iter().all(Result::is_ok));
        drop(held);
        let open = limiter.open.lock().unwrap();
        assert_eq!((open.total, open.by_network.len()), (0, 0));
    }
}
