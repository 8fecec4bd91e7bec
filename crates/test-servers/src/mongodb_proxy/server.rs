use std::io::{self, Error, ErrorKind};
use std::net::{SocketAddr, ToSocketAddrs as _};

use bson::Document;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use super::message::Message;
use crate::endpoint::{mongodb_hosts, with_port};

/// A connection to the server behind the proxy.
pub struct Server {
    stream: TcpStream,
    messages: i32,
}

impl Server {
    pub async fn connect(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, messages: 0 })
    }

    /// Runs a command and returns its reply, which may be an error of the server.
    pub async fn ask(&mut self, command: &Document) -> io::Result<Document> {
        self.messages = self.messages.wrapping_add(1);
        let reply = self.forward(&Message::new(self.messages, 0, command)?).await?;
        let document = reply.document()?;
        document.ok_or_else(|| Error::new(ErrorKind::InvalidData, "the reply is not a document"))
    }

    /// Runs a command and returns its reply, or an error if the reply is not `ok`.
    pub async fn run(&mut self, command: &Document) -> io::Result<Document> {
        let reply = self.ask(command).await?;
        let is_ok = reply.get_f64("ok").is_ok_and(|ok| ok > 0.0) || reply.get_i32("ok").is_ok_and(|ok| ok > 0);
        if is_ok {
            Ok(reply)
        } else {
            Err(Error::other(reply.to_string()))
        }
    }

    pub(crate) async fn send(&mut self, message: &Message) -> io::Result<()> {
        self.stream.write_all(message.bytes()).await
    }

    pub(crate) async fn forward(&mut self, message: &Message) -> io::Result<Message> {
        self.send(message).await?;
        let reply = Message::read(&mut self.stream).await?;
        reply.ok_or_else(|| ErrorKind::UnexpectedEof.into())
    }
}

/// Resolves the host of a URI, which must name exactly one.
pub fn resolve_host(uri: &str) -> io::Result<SocketAddr> {
    let mut addresses = with_port(mongodb_hosts(uri), 27017).to_socket_addrs()?;
    addresses
        .next()
        .ok_or_else(|| Error::new(ErrorKind::NotFound, "the URI names no host"))
}

/// Returns the URI with its host replaced by this address, and `directConnection=true`: a driver that discovered the
/// other members of the replica set would bypass the proxy.
pub fn via_proxy(uri: &str, address: SocketAddr) -> String {
    let proxied = uri.replacen(mongodb_hosts(uri), &address.to_string(), 1);
    match proxied {
        uri if uri.contains("directConnection=true") => uri,
        uri if uri.contains('?') => format!("{uri}&directConnection=true"),
        uri if uri.ends_with('/') => format!("{uri}?directConnection=true"),
        uri => format!("{uri}/?directConnection=true"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uri_connects_directly_to_the_proxy() {
        let address = SocketAddr::from(([127, 0, 0, 1], 9));
        for (uri, expected) in [
            ("mongodb://a:1", "mongodb://127.0.0.1:9/?directConnection=true"),
            ("mongodb://a:1/", "mongodb://127.0.0.1:9/?directConnection=true"),
            (
                "mongodb://u:p@a:1/?w=majority",
                "mongodb://u:p@127.0.0.1:9/?w=majority&directConnection=true",
            ),
            (
                "mongodb://a:1/?directConnection=true",
                "mongodb://127.0.0.1:9/?directConnection=true",
            ),
        ] {
            assert_eq!(via_proxy(uri, address), expected);
        }
    }
}
