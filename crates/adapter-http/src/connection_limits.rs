//! Limits the open connections of the API port.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ports::ConnectionLimit;

use crate::peer::{TrustedProxies, network};

/// The limits of connections.
#[derive(Debug, Clone, Copy)]
pub struct ConnectionSettings {
    /// A connection is reset when its peer reads nothing of a response for this time.
    pub write_timeout: Duration,
    /// Open connections of one peer address (with IPv6 of one /64). 0 means no limit. Trusted proxies are exempt,
    /// because they carry the connections of all their clients.
    pub per_peer: usize,
    /// Open connections of all peers. 0 means no limit.
    pub total: usize,
}

impl Default for ConnectionSettings {
    /// Returns the defaults of the settings `http.…`, which are explained in `docs/operations.md`.
    fn default() -> Self {
        Self {
            write_timeout: Duration::from_secs(30),
            per_peer: 256,
            total: 4096,
        }
    }
}

/// Counts the open connections of all workers.
pub(crate) struct ConnectionLimits {
    per_peer: usize,
    in_all: usize,
    trusted: TrustedProxies,
    open: Mutex<OpenConnections>,
}

/// The counts of open connections. A peer without a connection has no entry.
#[derive(Default)]
struct OpenConnections {
    total: usize,
    by_peer: HashMap<IpAddr, usize>,
}

impl ConnectionLimits {
    pub(crate) fn new(settings: &ConnectionSettings, trusted: TrustedProxies) -> Arc<Self> {
        let limit = |max| if max == 0 { usize::MAX } else { max };
        Arc::new(Self {
            per_peer: limit(settings.per_peer),
            in_all: limit(settings.total),
            trusted,
            open: Mutex::default(),
        })
    }

    /// Counts a connection until the returned value is dropped, or returns the limit that it exceeds.
    pub(crate) fn admit(self: &Arc<Self>, peer: Option<IpAddr>) -> Result<AdmittedConnection, ConnectionLimit> {
        let counted_peer = peer
            .map(|address| address.to_canonical())
            .filter(|address| !self.trusted.trusts(*address))
            .map(network);
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.total >= self.in_all {
            return Err(ConnectionLimit::Process);
        }
        if let Some(peer) = counted_peer {
            let count = open.by_peer.entry(peer).or_default();
            if *count >= self.per_peer {
                return Err(ConnectionLimit::Peer);
            }
            *count += 1;
        }
        open.total += 1;
        Ok(AdmittedConnection {
            limits: self.clone(),
            peer: counted_peer,
        })
    }

    fn release(&self, peer: Option<IpAddr>) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.total -= 1;
        if let Some(peer) = peer
            && let Some(count) = open.by_peer.get_mut(&peer)
        {
            *count -= 1;
            if *count == 0 {
                open.by_peer.remove(&peer);
            }
        }
    }
}

/// A connection that is counted until this value is dropped.
pub(crate) struct AdmittedConnection {
    limits: Arc<ConnectionLimits>,
    /// The network under which the connection is counted; `None` for a trusted proxy.
    peer: Option<IpAddr>,
}

impl Drop for AdmittedConnection {
    fn drop(&mut self) {
        self.limits.release(self.peer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(per_peer: usize, in_all: usize) -> Arc<ConnectionLimits> {
        let settings = ConnectionSettings {
            per_peer,
            total: in_all,
            ..ConnectionSettings::default()
        };
        let trusted = TrustedProxies::parse(&["10.0.0.0/8".to_owned()]).unwrap();
        ConnectionLimits::new(&settings, trusted)
    }

    fn admit(limits: &Arc<ConnectionLimits>, peer: &str) -> Result<AdmittedConnection, ConnectionLimit> {
        limits.admit(Some(peer.parse().unwrap()))
    }

    #[test]
    fn a_peer_gets_another_connection_once_one_ends() {
        let limits = limits(2, 100);
        let held = [admit(&limits, "192.0.2.1"), admit(&limits, "::ffff:192.0.2.1")];
        assert!(held.iter().all(Result::is_ok));
        assert_eq!(admit(&limits, "192.0.2.1").err(), Some(ConnectionLimit::Peer));
        assert!(admit(&limits, "192.0.2.2").is_ok());
        drop(held);
        assert!(admit(&limits, "192.0.2.1").is_ok());
    }

    #[test]
    fn an_ipv6_peer_counts_as_its_64_bit_network() {
        let limits = limits(1, 100);
        let _held = admit(&limits, "2001:db8::1");
        assert_eq!(admit(&limits, "2001:db8::ffff:1").err(), Some(ConnectionLimit::Peer));
        assert!(admit(&limits, "2001:db8:0:1::1").is_ok());
    }

    #[test]
    fn only_the_process_limit_applies_to_trusted_proxies() {
        let limits = limits(1, 3);
        let held = [(); 3].map(|()| admit(&limits, "10.1.2.3"));
        assert!(held.iter().all(Result::is_ok));
        assert_eq!(admit(&limits, "10.1.2.3").err(), Some(ConnectionLimit::Process));
        assert_eq!(admit(&limits, "192.0.2.1").err(), Some(ConnectionLimit::Process));
    }

    #[test]
    fn zero_means_no_limit_and_closed_peers_are_forgotten() {
        let limits = limits(0, 0);
        let held: Vec<_> = (0..1_000).map(|_| admit(&limits, "192.0.2.1")).collect();
        assert!(held.iter().all(Result::is_ok));
        drop(held);
        let open = limits.open.lock().unwrap();
        assert_eq!((open.total, open.by_peer.len()), (0, 0));
    }
}
