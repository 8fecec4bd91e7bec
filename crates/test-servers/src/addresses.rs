use std::env;
use std::fmt;
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use anyhow::{bail, ensure};

pub(crate) const MONGODB: &str = "AUTHME_TEST_MONGODB_URI";
pub(crate) const KAFKA: &str = "AUTHME_TEST_KAFKA_BROKERS";

/// The addresses of the store and the broker. The `Display` form is two shell assignments, one per line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Addresses {
    pub mongodb_uri: String,
    pub kafka_brokers: String,
}

impl Addresses {
    /// Returns the addresses that the environment names; `None` if it names neither.
    #[expect(
        clippy::disallowed_methods,
        reason = "the servers of tests are not an AuthMe setting"
    )]
    pub(crate) fn from_environment() -> anyhow::Result<Option<Self>> {
        Self::from_variables(env::var(MONGODB).ok(), env::var(KAFKA).ok())
    }

    fn from_variables(mongodb_uri: Option<String>, kafka_brokers: Option<String>) -> anyhow::Result<Option<Self>> {
        let is_set = |variable: &String| !variable.trim().is_empty();
        match (mongodb_uri.filter(is_set), kafka_brokers.filter(is_set)) {
            (Some(mongodb_uri), Some(kafka_brokers)) => Ok(Some(Self {
                mongodb_uri,
                kafka_brokers,
            })),
            (None, None) => Ok(None),
            (Some(_), None) => bail!("{MONGODB} is set and {KAFKA} is not: set both or none"),
            (None, Some(_)) => bail!("{KAFKA} is set and {MONGODB} is not: set both or none"),
        }
    }

    /// Returns the variables by which tests find the servers.
    pub fn variables(&self) -> [(&'static str, String); 2] {
        [(MONGODB, self.mongodb_uri.clone()), (KAFKA, self.kafka_brokers.clone())]
    }

    pub(crate) fn ensure_reachable(&self) -> anyhow::Result<()> {
        for (variable, (address, is_reachable)) in [(MONGODB, self.mongodb()), (KAFKA, self.kafka())] {
            ensure!(
                is_reachable,
                "{variable} is set, but nothing accepts connections at {address}: start that server, or unset both variables"
            );
        }
        Ok(())
    }

    /// Returns the hosts of the URI without its credentials, and whether a host is reachable.
    pub(crate) fn mongodb(&self) -> (String, bool) {
        let hosts = mongodb_hosts(&self.mongodb_uri);
        // A seed list counts as reachable, because only the driver resolves its hosts in DNS.
        let is_reachable = self.mongodb_uri.starts_with("mongodb+srv:") || is_any_reachable(hosts, 27017);
        (hosts.to_owned(), is_reachable)
    }

    pub(crate) fn kafka(&self) -> (String, bool) {
        (self.kafka_brokers.clone(), is_any_reachable(&self.kafka_brokers, 9092))
    }
}

impl fmt::Display for Addresses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{MONGODB}={}", quote(&self.mongodb_uri))?;
        write!(f, "{KAFKA}={}", quote(&self.kafka_brokers))
    }
}

/// Returns a value as one word of a POSIX shell, in quotes if it needs them.
pub(crate) fn quote(value: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-./:,?=@%+".contains(c);
    if !value.is_empty() && value.chars().all(is_plain) {
        value.to_owned()
    } else {
        format!("'{}'", value.replace('\'', r"'\''"))
    }
}

/// Returns the hosts of a URI, without its credentials.
pub(crate) fn mongodb_hosts(uri: &str) -> &str {
    let rest = uri.split_once("://").map_or(uri, |(_, rest)| rest);
    let authority = rest.find(['/', '?']).map_or(rest, |end| rest.split_at(end).0);
    authority.rsplit_once('@').map_or(authority, |(_, hosts)| hosts)
}

fn is_any_reachable(hosts: &str, default_port: u16) -> bool {
    hosts
        .split(',')
        .any(|host| is_reachable(&with_port(host.trim(), default_port)))
}

pub(crate) fn with_port(host: &str, default: u16) -> String {
    let after_brackets = host.rsplit_once(']').map_or(host, |(_, rest)| rest);
    if after_brackets.contains(':') {
        host.to_owned()
    } else {
        format!("{host}:{default}")
    }
}

/// Returns whether the address accepts connections.
pub(crate) fn is_reachable(address: &str) -> bool {
    address.to_socket_addrs().is_ok_and(|mut addresses| {
        addresses.any(|address| TcpStream::connect_timeout(&address, Duration::from_secs(2)).is_ok())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_variable_without_the_other_is_rejected() {
        let set = |value: &str| Some(value.to_owned());
        assert!(Addresses::from_variables(None, set(" ")).unwrap().is_none());
        assert!(Addresses::from_variables(set("m"), set("k")).unwrap().is_some());
        let error = Addresses::from_variables(set("m"), None).unwrap_err();
        assert!(error.to_string().contains("AUTHME_TEST_KAFKA_BROKERS is not"));
        assert!(Addresses::from_variables(set(""), set("k")).is_err());
    }

    #[test]
    fn hosts_are_displayed_without_credentials() {
        for (uri, hosts) in [
            ("mongodb://127.0.0.1:27017/?directConnection=true", "127.0.0.1:27017"),
            ("mongodb://u:p%40@a:1,b/db?x=y@z", "a:1,b"),
            ("mongodb://a", "a"),
            ("mongodb+srv://u:p@a.example?x=1", "a.example"),
        ] {
            assert_eq!(mongodb_hosts(uri), hosts);
        }
    }

    #[test]
    fn host_without_port_gets_the_default_port() {
        assert_eq!(with_port("a", 9092), "a:9092");
        assert_eq!(with_port("a:1", 9092), "a:1");
        assert_eq!(with_port("[::1]", 9092), "[::1]:9092");
        assert_eq!(with_port("[::1]:1", 9092), "[::1]:1");
    }

    #[test]
    fn addresses_are_read_back_by_a_shell() {
        let addresses = Addresses {
            mongodb_uri: "mongodb://a/?b=c&d='e'".into(),
            kafka_brokers: "a:1,b:2".into(),
        };
        let script = format!("{addresses}\nprintf '%s %s' \"${MONGODB}\" \"${KAFKA}\"");
        let output = std::process::Command::new("sh").args(["-c", &script]).output().unwrap();
        assert_eq!(
            String::from_utf8(output.stdout).unwrap(),
            "mongodb://a/?b=c&d='e' a:1,b:2"
        );
    }
}
