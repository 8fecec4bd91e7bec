//! The address and the network that a request comes from.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use actix_web::HttpRequest;
use actix_web::http::header::HeaderValue;
use ipnet::IpNet;

/// The networks of proxies whose `X-Forwarded-For` is trusted.
#[derive(Debug, Clone, Default)]
pub struct TrustedProxies(Vec<IpNet>);

impl TrustedProxies {
    /// Parses networks (`10.0.0.0/8`) and single addresses. The error is the first text that is neither.
    pub fn parse(networks: &[String]) -> Result<Self, String> {
        let network = |text: &String| {
            let single = || text.parse::<IpAddr>().ok().map(IpNet::from);
            text.parse::<IpNet>().ok().or_else(single).ok_or_else(|| text.clone())
        };
        networks.iter().map(network).collect::<Result<_, _>>().map(Self)
    }

    /// Returns whether the address belongs to a trusted proxy.
    pub(crate) fn trusts(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address))
    }

    /// Returns the caller's address. It is the address of the peer or, if the peer is a trusted proxy, the rightmost
    /// address in `X-Forwarded-For` that is not a trusted proxy's. Each proxy appends the address of its own peer, so
    /// the caller may have forged every address further to the left. Reading stops at a malformed address or at the end
    /// of the header; the result is then the last proxy read.
    pub(crate) fn caller_address(&self, request: &HttpRequest) -> Option<IpAddr> {
        let mut address = request.peer_addr()?.ip().to_canonical();
        // Split as bytes: a caller can send a header that is not text, which must not hide the addresses that the
        // proxies appended.
        let headers: Vec<&[u8]> = request
            .headers()
            .get_all("x-forwarded-for")
            .map(HeaderValue::as_bytes)
            .collect();
        let mut hops = headers
            .iter()
            .flat_map(|header| header.split(|byte| *byte == b','))
            .rev();
        while self.trusts(address) {
            let Some(hop) = hops.next().and_then(parse_hop) else {
                break;
            };
            address = hop.to_canonical();
        }
        Some(address)
    }
}

/// Returns the network that an address counts for in limits: an IPv4 address itself, or the /64 of an IPv6 address,
/// because a peer can use every address of its /64.
pub(crate) fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
    }
}

/// Parses an address as proxies write it. Some append the port and put IPv6 addresses in brackets.
fn parse_hop(bytes: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(bytes).ok()?.trim();
    let with_port = || text.parse().ok().map(|address: SocketAddr| address.ip());
    let in_brackets = || {
        let inner = text.strip_prefix('[')?.strip_suffix(']')?;
        inner.parse::<Ipv6Addr>().ok().map(IpAddr::from)
    };
    text.parse().ok().or_else(with_port).or_else(in_brackets)
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn address(trusted: &[&str], peer: &str, forwarded: Option<&str>) -> String {
        let trusted: Vec<String> = trusted.iter().map(ToString::to_string).collect();
        let mut request = TestRequest::default().peer_addr(format!("{peer}:1234").parse().unwrap());
        if let Some(forwarded) = forwarded {
            request = request.insert_header(("x-forwarded-for", forwarded));
        }
        TrustedProxies::parse(&trusted)
            .unwrap()
            .caller_address(&request.to_http_request())
            .unwrap()
            .to_string()
    }

    #[test]
    fn only_hops_of_trusted_proxies_are_used() {
        assert_eq!(address(&[], "10.0.0.1", Some("1.2.3.4")), "10.0.0.1");
        assert_eq!(address(&["10.0.0.0/8"], "10.0.0.1", Some("1.2.3.4")), "1.2.3.4");
        assert_eq!(
            address(&["10.0.0.0/8"], "10.0.0.1", Some("6.6.6.6, 1.2.3.4, 10.0.0.2")),
            "1.2.3.4"
        );
        assert_eq!(address(&["10.0.0.1"], "10.0.0.1", Some("junk")), "10.0.0.1");
        assert_eq!(address(&["10.0.0.1"], "10.0.0.1", None), "10.0.0.1");
    }

    #[test]
    fn a_header_that_is_not_text_keeps_proxy_hops() {
        let trusted = TrustedProxies::parse(&["10.0.0.0/8".to_owned()]).unwrap();
        let from = |header: &'static [u8]| {
            let request = TestRequest::default().peer_addr("10.0.0.1:1234".parse().unwrap());
            let value = HeaderValue::from_bytes(header).unwrap();
            let request = request.insert_header(("x-forwarded-for", value));
            trusted.caller_address(&request.to_http_request()).unwrap().to_string()
        };
        assert_eq!(from(b"\xff, 1.2.3.4"), "1.2.3.4");
        assert_eq!(from(b"6.6.6.6, \xff\xfe, 1.2.3.4, 10.0.0.2"), "1.2.3.4");
        assert_eq!(from(b"6.6.6.6, \xff, 10.0.0.2"), "10.0.0.2");
    }

    #[test]
    fn a_forwarded_address_may_have_a_port() {
        let from = |forwarded| address(&["10.0.0.0/8"], "10.0.0.1", Some(forwarded));
        assert_eq!(from("1.2.3.4:5678"), "1.2.3.4");
        assert_eq!(from("2001:db8::1"), "2001:db8::1");
        assert_eq!(from("[2001:db8::1]"), "2001:db8::1");
        assert_eq!(from("[2001:db8::1]:443"), "2001:db8::1");
        assert_eq!(from("[::ffff:1.2.3.4]:443"), "1.2.3.4");
        assert_eq!(from("6.6.6.6, 1.2.3.4:5678, 10.0.0.2:80"), "1.2.3.4");
        for no_address in [
            "1.2.3.4:",
            "1.2.3.4:70000",
            "[1.2.3.4]",
            "[2001:db8::1",
            "[]:443",
            ":443",
        ] {
            assert_eq!(from(no_address), "10.0.0.1", "{no_address}");
        }
    }
}
