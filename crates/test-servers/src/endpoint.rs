use std::env;
use std::fmt;
use std::fs;
use std::net::{TcpStream, ToSocketAddrs as _};
use std::time::Duration;

use anyhow::ensure;
use serde::{Deserialize, Serialize};
use serde_json::Value;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Server {
    Mongodb,
    Kafka,
    Smtp,
}

impl Server {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Mongodb => "mongodb",
            Self::Kafka => "kafka",
            Self::Smtp => "smtp",
        }
    }

    /// Returns the environment variable by which tests find the server.
    pub(crate) const fn variable(self) -> &'static str {
        match self {
            Self::Mongodb => "AUTHME_TEST_MONGODB_URI",
            Self::Kafka => "AUTHME_TEST_KAFKA_BROKERS",
            Self::Smtp => "AUTHME_TEST_SMTP",
        }
    }
}

/// A server and the value of its variable. The `Display` form is a shell assignment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Endpoint {
    pub(crate) server: Server,
    /// A URI, a list of brokers, or the description file that smtp.py writes.
    pub(crate) value: String,
}

impl Endpoint {
    /// Returns the server that the environment names.
    #[expect(
        clippy::disallowed_methods,
        reason = "the servers of tests are not an AuthMe setting"
    )]
    pub(crate) fn from_environment(server: Server) -> Option<Self> {
        let value = env::var(server.variable())
            .ok()
            .filter(|value| !value.trim().is_empty())?;
        Some(Self { server, value })
    }

    /// Returns the address without its credentials, and whether it is reachable.
    pub(crate) fn address(&self) -> (String, bool) {
        let value = self.value.as_str();
        match self.server {
            // A seed list counts as reachable, because only the driver resolves its hosts in DNS.
            Server::Mongodb if value.starts_with("mongodb+srv:") => (mongodb_hosts(value).to_owned(), true),
            Server::Mongodb => with_reachability(mongodb_hosts(value), 27017),
            Server::Kafka => with_reachability(value, 9092),
            Server::Smtp => starttls_address(value)
                .map_or_else(|| (value.to_owned(), false), |address| with_reachability(&address, 587)),
        }
    }

    pub(crate) fn ensure_reachable(&self) -> anyhow::Result<()> {
        let (address, is_reachable) = self.address();
        let variable = self.server.variable();
        ensure!(
            is_reachable,
            "{variable} is set, but nothing accepts connections at {address}: start that server, or unset the variable"
        );
        Ok(())
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.server.variable(), quote(&self.value))
    }
}

/// Returns a value as one word of a POSIX shell, in quotes if it needs them.
fn quote(value: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-./:,?=@%+".contains(c);
    if !value.is_empty() && value.chars().all(is_plain) {
        value.to_owned()
    } else {
        format!("'{}'", value.replace('\'', r"'\''"))
    }
}

/// Returns the address in a description file; `None` if there is no such file.
fn starttls_address(description: &str) -> Option<String> {
    let description: Value = serde_json::from_slice(&fs::read(description).ok()?).ok()?;
    let host = description.get("host")?.as_str()?;
    Some(format!("{host}:{}", description.get("starttls_port")?))
}

/// Returns the hosts of a URI, without its credentials.
pub(crate) fn mongodb_hosts(uri: &str) -> &str {
    let rest = uri.split_once("://").map_or(uri, |(_, rest)| rest);
    let authority = rest.find(['/', '?']).map_or(rest, |end| rest.split_at(end).0);
    authority.rsplit_once('@').map_or(authority, |(_, hosts)| hosts)
}

fn with_reachability(hosts: &str, default_port: u16) -> (String, bool) {
    let mut addresses = hosts.split(',').map(|host| with_port(host.trim(), default_port));
    (hosts.to_owned(), addresses.any(|address| is_reachable(&address)))
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
fn is_reachable(address: &str) -> bool {
    address.to_socket_addrs().is_ok_and(|mut addresses| {
        addresses.any(|address| TcpStream::connect_timeout(&address, Duration::from_secs(2)).is_ok())
    })
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

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
    fn address_of_a_mail_server_is_read_from_its_description() {
        let folder = tempfile::tempdir().unwrap();
        let description = folder.path().join("server.json");
        let endpoint = Endpoint {
            server: Server::Smtp,
            value: description.to_str().unwrap().to_owned(),
        };
        fs::write(&description, r#"{"host":"127.0.0.1","starttls_port":1,"tls_port":2}"#).unwrap();
        assert_eq!(endpoint.address(), ("127.0.0.1:1".to_owned(), false));
        fs::remove_file(description).unwrap();
        assert_eq!(endpoint.address(), (endpoint.value, false));
    }

    #[test]
    fn endpoints_are_read_back_by_a_shell() {
        for (server, value) in [
            (Server::Mongodb, "mongodb://a/?b=c&d='e'"),
            (Server::Kafka, "a:1,b:2"),
            (Server::Smtp, "/tmp/a folder/server.json"),
        ] {
            let value = value.to_owned();
            let endpoint = Endpoint { server, value };
            let script = format!("{endpoint}\nprintf %s \"${}\"", server.variable());
            let output = Command::new("sh").args(["-c", &script]).output().unwrap();
            assert_eq!(String::from_utf8(output.stdout).unwrap(), endpoint.value);
        }
    }
}
