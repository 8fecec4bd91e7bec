use std::io::{self, Error, ErrorKind};
use std::net::{SocketAddr, ToSocketAddrs as _};

use bson::Document;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::message::Message;

/// A connection to the server.
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

    /// Runs a command; its answer, whatever it says.
    pub async fn ask(&mut self, command: &Document) -> io::Result<Document> {
        self.messages = self.messages.wrapping_add(1);
        let answer = self.forward(&Message::of(self.messages, 0, command)?).await?;
        let document = answer.document()?;
        document.ok_or_else(|| Error::new(ErrorKind::InvalidData, "the answer is no document"))
    }

    /// Runs a command that must succeed.
    pub async fn run(&mut self, command: &Document) -> io::Result<Document> {
        let answer = self.ask(command).await?;
        let is_ok = answer.get_f64("ok").is_ok_and(|ok| ok > 0.0) || answer.get_i32("ok").is_ok_and(|ok| ok > 0);
        if is_ok {
            Ok(answer)
        } else {
            Err(Error::other(answer.to_string()))
        }
    }

    pub(crate) async fn send(&mut self, message: &Message) -> io::Result<()> {
        self.stream.write_all(message.bytes()).await
    }

    pub(crate) async fn forward(&mut self, message: &Message) -> io::Result<Message> {
        self.send(message).await?;
        let answer = Message::read(&mut self.stream).await?;
        answer.ok_or_else(|| ErrorKind::UnexpectedEof.into())
    }
}

/// Returns the address of the one host that a URI names.
pub fn address_of(uri: &str) -> io::Result<SocketAddr> {
    let mut addresses = host(uri).to_socket_addrs()?;
    addresses
        .next()
        .ok_or_else(|| Error::new(ErrorKind::NotFound, "the URI names no host"))
}

/// Returns the URI with this address in the place of its host. A driver that asked for the other members of a replica set
/// would go past it.
pub fn through(uri: &str, address: SocketAddr) -> String {
    let through = uri.replacen(host(uri), &address.to_string(), 1);
    match through {
        uri if uri.contains("directConnection=true") => uri,
        uri if uri.contains('?') => format!("{uri}&directConnection=true"),
        uri if uri.ends_with('/') => format!("{uri}?directConnection=true"),
        uri => format!("{uri}/?directConnection=true"),
    }
}

fn host(uri: &str) -> &str {
    let rest = uri.split_once("://").map_or(uri, |(_, rest)| rest);
    let authority = rest.split_once('/').map_or(rest, |(authority, _)| authority);
    authority.rsplit_once('@').map_or(authority, |(_, host)| host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uri_goes_through_the_proxy_and_nowhere_else() {
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
            assert_eq!(through(uri, address), expected);
        }
    }
}
