use std::net::ToSocketAddrs as _;

use crate::{Proxy, Servers};

/// The store behind a proxy, through which a trial can disturb a service.
pub struct ProxiedStore {
    pub proxy: Proxy,
    /// The MongoDB URI that leads through the proxy.
    pub uri: String,
}

impl ProxiedStore {
    /// Starts a proxy in front of the only host that the URI names.
    pub fn new(servers: &Servers) -> Self {
        let (scheme, rest) = servers.mongodb_uri.split_once("://").expect("a URI");
        let (authority, options) = rest.split_once('/').unwrap_or((rest, ""));
        let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        let target = host.to_socket_addrs().expect("one host and its port").next();
        let proxy = Proxy::start(target.expect("an address")).expect("a free port");
        let proxied_authority = authority.replace(host, &proxy.address().to_string());
        // Otherwise the driver asks the replica set for its members and connects to them without the proxy.
        let direct_connection = match options {
            options if options.contains("directConnection=true") => "",
            options if options.contains('?') => "&directConnection=true",
            _ => "?directConnection=true",
        };
        Self {
            uri: format!("{scheme}://{proxied_authority}/{options}{direct_connection}"),
            proxy,
        }
    }
}
