use std::net::ToSocketAddrs as _;

use crate::{Proxy, Servers};

/// The way of a service to the store, by which it can be disturbed.
pub struct Store {
    pub proxy: Proxy,
    /// Reaches MongoDB through the proxy.
    pub uri: String,
}

impl Store {
    /// Before the host that the URI names, and no other of its replica set.
    pub fn before(servers: &Servers) -> Self {
        let (scheme, rest) = servers.mongodb_uri.split_once("://").expect("a URI");
        let (authority, options) = rest.split_once('/').unwrap_or((rest, ""));
        let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        let target = host.to_socket_addrs().expect("one host and its port").next();
        let proxy = Proxy::before(target.expect("an address")).expect("a free port");
        let through = authority.replace(host, &proxy.address().to_string());
        // A driver that asks a replica set for its members goes past the proxy.
        let directly = match options {
            options if options.contains("directConnection=true") => "",
            options if options.contains('?') => "&directConnection=true",
            _ => "?directConnection=true",
        };
        Self {
            uri: format!("{scheme}://{through}/{options}{directly}"),
            proxy,
        }
    }
}
