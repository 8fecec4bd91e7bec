//! How many connections the API port holds.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ports::ConnectionLimit;

use crate::peer::{TrustedProxies, network};

/// What a connection may cost.
#[derive(Debug, Clone, Copy)]
pub struct ConnectionSettings {
    /// A connection is dropped when its peer takes nothing of an answer for so long.
    pub write_timeout: Duration,
    /// Connections of one peer address (of IPv6: of one /64) at a time; trusted proxies have as many as they like. 0 for
    /// no limit.
    pub per_peer: usize,
    /// Connections of all peers at a time; 0 for no limit.
    pub in_all: usize,
}

impl Default for ConnectionSettings {
    /// Returns the defaults of the settings `http.…`, which are explained in `docs/operations.md`.
    fn default() -> Self {
        Self {
            write_timeout: Duration::from_secs(30),
            per_peer: 256,
            in_all: 4096,
        }
    }
}

/// Counts open connections, over all workers.
pub(crate) struct ConnectionLimits {
    per_peer: usize,
    in_all: usize,
    trusted: TrustedProxies,
    open: Mutex<OpenConnections>,
}

/// Only peers that have a connection are remembered.
#[derive(Default)]
struct OpenConnections {
    in_all: usize,
    by_peer: HashMap<IpAddr, usize>,
}

impl ConnectionLimits {
    pub(crate) fn new(settings: &ConnectionSettings, trusted: TrustedProxies) -> Arc<Self> {
        let limit = |most| if most == 0 { usize::MAX } else { most };
        Arc::new(Self {
            per_peer: limit(settings.per_peer),
            in_all: limit(settings.in_all),
            trusted,
            open: Mutex::default(),
        })
    }

    /// Counts a connection until the returned value is dropped, or tells which limit it exceeds.
    pub(crate) fn admit(self: &Arc<Self>, peer: Option<IpAddr>) -> Result<AdmittedConnection, ConnectionLimit> {
        let counted = peer
            .map(|address| address.to_canonical())
            .filter(|address| !self.trusted.trusts(*address))
            .map(network);
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.in_all >= self.in_all {
            return Err(ConnectionLimit::Process);
        }
        if let Some(peer) = counted {
            let of_peer = open.by_peer.entry(peer).or_default();
            if *of_peer >= self.per_peer {
                return Err(ConnectionLimit::Peer);
            }
            *of_peer += 1;
        }
        open.in_all += 1;
        Ok(AdmittedConnection {
            limits: self.clone(),
            peer: counted,
        })
    }

    fn forget(&self, peer: Option<IpAddr>) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.in_all -= 1;
        if let Some(peer) = peer
            && let Some(of_peer) = open.by_peer.get_mut(&peer)
        {
            *of_peer -= 1;
            if *of_peer == 0 {
                open.by_peer.remove(&peer);
            }
        }
    }
}

/// A connection that counts until it is dropped.
pub(crate) struct AdmittedConnection {
    limits: Arc<ConnectionLimits>,
    /// Nobody for a trusted proxy.
    peer: Option<IpAddr>,
}

impl Drop for AdmittedConnection {
    fn drop(&mut self) {
        self.limits.forget(self.peer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(per_peer: usize, in_all: usize) -> Arc<ConnectionLimits> {
        let settings = ConnectionSettings {
            per_peer,
            in_all,
            ..ConnectionSettings::default()
        };
        let trusted = TrustedProxies::parse(&["10.0.0.0/8".to_owned()]).unwrap();
        ConnectionLimits::new(&settings, trusted)
    }

    fn admit(limits: &Arc<ConnectionLimits>, peer: &str) -> Result<AdmittedConnection, ConnectionLimit> {
        limits.admit(Some(peer.parse().unwrap()))
    }

    #[test]
    fn one_peer_has_its_share_and_no_more_until_one_of_its_connections_ends() {
        let limits = limits(2, 100);
        let held = [admit(&limits, "192.0.2.1"), admit(&limits, "::ffff:192.0.2.1")];
        assert!(held.iter().all(Result::is_ok));
        assert_eq!(admit(&limits, "192.0.2.1").err(), Some(ConnectionLimit::Peer));
        assert!(admit(&limits, "192.0.2.2").is_ok());
        drop(held);
        assert!(admit(&limits, "192.0.2.1").is_ok());
    }

    #[test]
    fn an_ipv6_peer_is_its_network() {
        let limits = limits(1, 100);
        let _held = admit(&limits, "2001:db8::1");
        assert_eq!(admit(&limits, "2001:db8::ffff:1").err(), Some(ConnectionLimit::Peer));
        assert!(admit(&limits, "2001:db8:0:1::1").is_ok());
    }

    #[test]
    fn trusted_proxies_share_the_limit_of_the_process_only() {
        let limits = limits(1, 3);
        let held = [(); 3].map(|()| admit(&limits, "10.1.2.3"));
        assert!(held.iter().all(Result::is_ok));
        assert_eq!(admit(&limits, "10.1.2.3").err(), Some(ConnectionLimit::Process));
        assert_eq!(admit(&limits, "192.0.2.1").err(), Some(ConnectionLimit::Process));
    }

    #[test]
    fn nothing_is_kept_of_peers_that_are_gone_and_zero_is_no_limit() {
        let limits = limits(0, 0);
        let held: Vec<_> = (0..1_000).map(|_| admit(&limits, "192.0.2.1")).collect();
        assert!(held.iter().all(Result::is_ok));
        drop(held);
        let open = limits.open.lock().unwrap();
        assert_eq!((open.in_all, open.by_peer.len()), (0, 0));
    }
}
